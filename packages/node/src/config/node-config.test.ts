import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { describe, expect, it } from 'vitest';
import { parseNodeConfig, readNodeConfig, readNodeSecrets, readPeerList } from './node-config.ts';
import { Secret } from './secret.ts';

const minimal = { name: 'storage-1', roles: ['storage'], dataDirectory: '/srv/pulsemesh' } as const;
const relay = { url: 'https://relay.example', peerId: '12D3KooWD3eckifWpRn9wQpMG9R9hX3sD158z7EqHWmweQAJU5SA' };
const behind = { ...minimal, firewalled: true, relays: [relay] };
const directory = () => mkdtempSync(join(tmpdir(), 'pulsemesh-config-'));

describe('node configuration', () => {
  it('fills in defaults, trusts nobody, and cannot be changed afterwards', () => {
    const config = parseNodeConfig(minimal);
    expect(config.trust).toEqual([]);
    expect(config.listen).toEqual(['/ip4/127.0.0.1/tcp/0']);
    expect(config.pubsub).toBe('upsycle');
    expect(Object.isFrozen(config)).toBe(true);
    expect(Object.isFrozen(config.log)).toBe(true);
  });

  it.each([
    ['an unknown role', { ...minimal, roles: ['king'] }, /roles\.0/],
    ['an unknown setting, which may be a misspelt one', { ...minimal, bootstraps: [] }, /bootstraps/],
    ['publish/subscribe that there is not', { ...minimal, pubsub: 'floodsub' }, /pubsub/],
    ['a relative data directory', { ...minimal, dataDirectory: 'data' }, /dataDirectory: must be an absolute path/],
    ['a trusted peer that is no peer id', { ...minimal, trust: ['somebody'] }, /trust\.0: must be a peer id/],
    ['ingest without a broker', { ...minimal, roles: ['ingest'] }, /mqtt: is needed by the role ingest/],
    ['more peers than there may be', { ...minimal, trust: Array(1_001).fill('1'.repeat(46)) }, /trust/],
    ['a key file and a passphrase', { ...minimal, keyFile: '/k', passphraseFile: '/p' }, /together/],
    [
      'a keystore and a key file',
      { ...minimal, keystore: 'auto', keyFile: '/k' },
      /keyFile: .* together with keystore/,
    ],
    [
      'a keystore and a passphrase',
      { ...minimal, keystore: 'systemd-creds', passphraseFile: '/p' },
      /passphraseFile: .* together with keystore/,
    ],
    ['a keystore that there is not', { ...minimal, keystore: 'safe' }, /keystore: .*"auto"/],
    ['a firewalled node without a relay', { ...minimal, firewalled: true }, /relays: is needed/],
    ['a firewalled node that listens', { ...behind, listen: ['/ip4/0.0.0.0/tcp/1'] }, /listen: cannot be given/],
    ['a firewalled relay', { ...behind, roles: ['relay'], relay: {} }, /firewalled: a relay has to be reached/],
    ['the role relay without its settings', { ...minimal, roles: ['relay'] }, /relay: is needed by the role relay/],
    ['one relay twice', { ...minimal, relays: [relay, relay] }, /relays\.1\.peerId: is there twice/],
    ['a relay that is no web address', { ...minimal, relays: [{ ...relay, url: 'ftp://x' }] }, /relays\.0\.url/],
    ['a relay without its key', { ...minimal, relays: [{ url: relay.url }] }, /relays\.0\.peerId/],
    ['more relays than there may be', { ...minimal, relays: Array(5).fill(relay) }, /relays/],
    [
      'a password in the settings',
      { ...minimal, relays: [{ ...relay, proxy: 'http://me:secret@proxy:3128' }] },
      /proxy/,
    ],
    ['an engine that is none', { ...minimal, roles: ['relay'], relay: { engine: 'redis://x' } }, /relay\.engine/],
  ])('refuses %s and says which setting', (_what, input, message) => {
    expect(() => parseNodeConfig(input)).toThrow(message);
  });

  it('lets a firewalled node listen nowhere', () => {
    expect(parseNodeConfig(behind)).toMatchObject({ listen: [], firewalled: true, relays: [relay] });
  });

  it('shows no password that stands where it should not', () => {
    const wrong = { ...minimal, relays: [{ ...relay, proxy: 'http://me:secret@proxy:3128' }] };
    expect(() => parseNodeConfig(wrong)).toThrow(/^((?!secret).)*$/);
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
