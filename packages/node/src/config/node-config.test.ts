import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { describe, expect, it } from 'vitest';
import { parseNodeConfig, readNodeConfig, readNodeSecrets, readPeerList } from './node-config.ts';
import { Secret } from './secret.ts';

const minimal = { name: 'storage-1', roles: ['storage'], dataDirectory: '/srv/pulsemesh' } as const;
const directory = () => mkdtempSync(join(tmpdir(), 'pulsemesh-config-'));

describe('node configuration', () => {
  it('fills in defaults, trusts nobody, and cannot be changed afterwards', () => {
    const config = parseNodeConfig(minimal);
    expect(config.trust).toEqual([]);
    expect(config.listen).toEqual(['/ip4/127.0.0.1/tcp/0']);
    expect(Object.isFrozen(config)).toBe(true);
    expect(Object.isFrozen(config.log)).toBe(true);
  });

  it.each([
    ['an unknown role', { ...minimal, roles: ['king'] }, /roles\.0/],
    ['an unknown setting, which may be a misspelt one', { ...minimal, bootstraps: [] }, /bootstraps/],
    ['a relative data directory', { ...minimal, dataDirectory: 'data' }, /dataDirectory: must be an absolute path/],
    ['a trusted peer that is no peer id', { ...minimal, trust: ['somebody'] }, /trust\.0: must be a peer id/],
    ['ingest without a broker', { ...minimal, roles: ['ingest'] }, /mqtt: is needed by the role ingest/],
    ['more peers than there may be', { ...minimal, trust: Array(1_001).fill('1'.repeat(46)) }, /trust/],
    ['a key file and a passphrase', { ...minimal, keyFile: '/k', passphraseFile: '/p' }, /together/],
  ])('refuses %s and says which setting', (_what, input, message) => {
    expect(() => parseNodeConfig(input)).toThrow(message);
  });

  it('lets flags win over the file, and the environment choose the log level', () => {
    const file = join(directory(), 'node.json');
    writeFileSync(file, JSON.stringify({ ...minimal, bootstrap: ['/ip4/127.0.0.1/tcp/1'] }));
    const config = readNodeConfig(file, { PULSEMESH_LOG_LEVEL: 'debug' }, { name: 'storage-9' });
    expect(config.name).toBe('storage-9');
    expect(config.bootstrap).toEqual(['/ip4/127.0.0.1/tcp/1']);
    expect(config.log.level).toBe('debug');
  });

  it('says which file it cannot read', () => {
    expect(() => readNodeConfig('/nowhere/node.json', {}, {})).toThrow(/config: cannot be read/);
    expect(() => readPeerList('--trust', '/nowhere/trust.json')).toThrow(/--trust: cannot be read/);
  });

  it('keeps secrets apart and prints them nowhere', () => {
    const file = join(directory(), 'passphrase');
    writeFileSync(file, 'correct horse\n');
    const secrets = readNodeSecrets(parseNodeConfig({ ...minimal, passphraseFile: file }));
    expect(secrets.passphrase?.reveal()).toBe('correct horse');
    expect(JSON.stringify(secrets)).not.toContain('horse');
    expect(inspect(secrets)).not.toContain('horse');
    expect(`${new Secret('horse')}`).not.toContain('horse');
  });
});
