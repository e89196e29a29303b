import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { createSeededRandom } from '@pulsemesh/base';
import { createSigner } from '@pulsemesh/crypto';
import { describeEpsilon } from '@pulsemesh/overlay/epsilon';
import { OverlayNode, overlayNodeDefaults } from '@pulsemesh/overlay/protocol';
import { describe, expect, it } from 'vitest';
import { overlayBounds } from './network-settings.ts';
import { parseNodeConfig, readNodeConfig, readNodeSecrets, readPeerList } from './node-config.ts';
import { Secret } from './secret.ts';

const minimal = { name: 'storage-1', roles: ['storage'], dataDirectory: '/srv/pulsemesh' } as const;
const relay = { url: 'https://relay.example', peerId: '12D3KooWD3eckifWpRn9wQpMG9R9hX3sD158z7EqHWmweQAJU5SA' };
const behind = { ...minimal, firewalled: true, relays: [relay] };
const circuit = `/ip4/203.0.113.7/tcp/4001/p2p/${relay.peerId}`;
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
    ['an ε that hides nothing', { ...minimal, overlay: { epsilon: 21 } }, /overlay\.epsilon: ε is 0\.25 … 20/],
    ['an ε below the least', { ...minimal, overlay: { epsilon: 0.1 } }, /overlay\.epsilon: ε is 0\.25 … 20/],
    ['an ε that is no number', { ...minimal, overlay: { epsilon: '3' } }, /overlay\.epsilon/],
    ['too few links', { ...minimal, overlay: { linksMax: 7 } }, /overlay\.linksMax/],
    [
      'the overlay where gossipsub is wanted',
      { ...minimal, pubsub: 'gossipsub', overlay: {} },
      /overlay: .* pubsub is gossipsub/,
    ],
    ['a circuit relay that is not named', { ...minimal, nat: { circuitRelay: 'client' } }, /nat\.relays: is needed/],
    [
      'a circuit relay without its key',
      { ...minimal, nat: { relays: ['/ip4/10.0.0.1/tcp/1'] } },
      /nat\.relays\.0: must/,
    ],
    ['circuit relays that nobody uses', { ...minimal, nat: { relays: [circuit] } }, /nat\.relays: .* client/],
    ['more circuit relays than there may be', { ...minimal, nat: { relays: Array(9).fill(circuit) } }, /nat\.relays/],
    ['hole punching without a relay', { ...minimal, nat: { holePunching: true } }, /nat\.holePunching: .* client/],
    ['a circuit relay for everybody', { ...minimal, nat: { circuitRelay: 'server' } }, /allow: .* for anybody/],
    ['a firewalled node with ways past NAT', { ...behind, nat: { autonat: true } }, /nat: cannot be given/],
    ['local networks for a firewalled node', { ...behind, lan: 'listen' }, /lan: cannot be given/],
    ['local networks for gossipsub', { ...minimal, pubsub: 'gossipsub', lan: 'announce' }, /lan: needs pubsub/],
    [
      'networks to announce on, announcing nowhere',
      { ...minimal, lan: 'listen', lanAnnounceOn: ['eth0'] },
      /is for a node whose lan is announce/,
    ],
    [
      'a network that is none',
      { ...minimal, lan: 'announce', lanAnnounceOn: ['192.0.2.0'] },
      /lanAnnounceOn.*neither the name of an interface nor a network/,
    ],
    ['a secret of a site without local networks', { ...minimal, lanSecretFile: '/s' }, /lanSecretFile: is for/],
    ['an engine that is none', { ...minimal, roles: ['relay'], relay: { engine: 'redis://x' } }, /relay\.engine/],
  ])('refuses %s and says which setting', (_what, input, message) => {
    expect(() => parseNodeConfig(input)).toThrow(message);
  });

  it('takes ways past address translation, and what the overlay may tell and cost', () => {
    const nat = { circuitRelay: 'client', relays: [circuit], holePunching: true } as const;
    const config = parseNodeConfig({ ...minimal, nat, overlay: { epsilon: 2 } });
    expect(config.nat).toEqual({ ...nat, autonat: false });
    expect(config.overlay).toEqual({ epsilon: 2, linksMax: 48, carry: false });
    const server = parseNodeConfig({ ...minimal, nat: { circuitRelay: 'server' }, allow: [relay.peerId] });
    expect(server.nat?.circuitRelay).toBe('server');
  });

  it('takes what its page for operators shows', () => {
    const page = readFileSync(new URL('../../../../docs/operations/network.md', import.meta.url), 'utf8');
    const shown = [...page.matchAll(/```json\n([^`]+)```/g)].map(([, text = '']) => JSON.parse(text));
    expect(shown).toHaveLength(2);
    for (const settings of shown) expect(parseNodeConfig({ ...minimal, ...settings })).toMatchObject(settings);
    for (const epsilon of [1, 2, 3]) {
      const [words = 'none'] = /at most \d+ %/.exec(describeEpsilon(epsilon)) ?? [];
      expect(page).toContain(words);
    }
  });

  it('takes for the overlay what that takes, and its defaults', () => {
    const random = createSeededRandom(1);
    const signer = createSigner(random.bytes(32));
    const createNode = (epsilon: number) =>
      new OverlayNode({ signer, addresses: [], deviceSecret: random.bytes(32), epsilon }, { random });
    const { min, max } = overlayBounds.epsilon;
    expect(createNode(min)).toBeDefined();
    expect(createNode(max)).toBeDefined();
    expect(() => createNode(min - 0.01)).toThrow();
    expect(() => createNode(max + 0.01)).toThrow();
    expect(overlayBounds.epsilon.default).toBe(overlayNodeDefaults.epsilon);
    expect(overlayBounds.linksMax.default).toBe(overlayNodeDefaults.linksMax);
  });

  it('says hello on local networks where others can dial it, listens where they cannot, and keeps to one machine', () => {
    const lanOf = (more: object) => parseNodeConfig({ ...minimal, ...more }).lan;
    expect(lanOf({ listen: ['/ip4/127.0.0.1/tcp/0', '/ip4/0.0.0.0/tcp/4001'] })).toBe('announce');
    expect(lanOf({ listen: [] })).toBe('listen');
    expect(lanOf({})).toBe('off');
    expect(lanOf({ ...behind })).toBe('off');
    expect(lanOf({ lan: 'listen' })).toBe('listen');
  });

  it('takes the secret of a site from a file, if it is one', () => {
    const lanSecretFile = join(directory(), 'site');
    const config = parseNodeConfig({ ...minimal, lan: 'announce', lanSecretFile });
    writeFileSync(lanSecretFile, `${'0a'.repeat(32)}\n`);
    expect(readNodeSecrets(config).lanSecret?.reveal()).toBe('0a'.repeat(32));
    writeFileSync(lanSecretFile, 'our ward');
    expect(() => readNodeSecrets(config)).toThrow(/lanSecretFile: .* 64 digits/);
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

  it('lets a flag change one setting of the overlay and keeps the others of the file', () => {
    const file = join(directory(), 'node.json');
    writeFileSync(file, JSON.stringify({ ...minimal, overlay: { epsilon: 5, linksMax: 16 } }));
    const config = readNodeConfig(file, {}, { overlay: { epsilon: 2 } });
    expect(config.overlay).toEqual({ epsilon: 2, linksMax: 16, carry: false });
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

  it('takes another ledger than the file says, and keeps what the file says of the same kind', () => {
    const place = directory();
    const file = join(place, 'node.json');
    const peer = relay.peerId;
    const ledger = { kind: 'chain', descriptionFile: '/a/ledger.json', headAgeSecondsMax: 60, feePerGasMax: '7' };
    const consent = { organisation: 'Ward', boardFile: '/b', ledger, custodian: { homes: [peer] } };
    writeFileSync(file, JSON.stringify({ ...minimal, roles: ['custodian'], relays: [relay], consent }));
    expect(readNodeConfig(file, {}, {}, { kind: 'board' }).consent?.ledger).toEqual({ kind: 'board' });
    const urls = ['http://127.0.0.1:1'];
    const chosen = readNodeConfig(file, {}, {}, { kind: 'chain', urls, descriptionFile: '/c' });
    expect(chosen.consent?.ledger).toMatchObject({
      ...{ urls, descriptionFile: '/c', headAgeSecondsMax: 60, feePerGasMax: '7' },
    });
  });

  it('asks no ledger by an address with a password, which no question would ever go to', () => {
    const urls = ['https://node:secret@chain.example'];
    const ledger = { kind: 'chain', descriptionFile: '/a/ledger.json', urls };
    const consent = { organisation: 'Ward', boardFile: '/b', ledger, custodian: { homes: [relay.peerId] } };
    const settings = { ...minimal, roles: ['custodian'], relays: [relay], consent };
    expect(() => parseNodeConfig(settings)).toThrow('user name or password');
  });

  it('mails a researcher through the mail server of its node, and of no other', () => {
    const research = { notify: { email: 'a@example.org' } };
    const consent = { organisation: 'Ward', boardFile: '/b', ledger: { kind: 'board' }, research };
    const settings = { ...minimal, roles: ['research'], relays: [relay], http: {}, consent };
    const smtp = { host: 'localhost', port: 25, from: 'a@example.org', pageUrl: 'http://localhost:1' };
    expect(parseNodeConfig({ ...settings, smtp }).consent?.research?.notify?.language).toBe('en');
    expect(() => parseNodeConfig(settings)).toThrow(/smtp: is needed by consent\.research\.notify/);
    expect(() => parseNodeConfig({ ...settings, smtp, roles: ['research', 'notification'] })).toThrow(/one outbox/);
  });

  it.each([
    ['a custodian without its settings', { roles: ['custodian'] }, /consent\.custodian: is needed/],
    ['a researcher without its settings', { roles: ['research'], http: {} }, /consent\.research: is needed/],
    ['a ledger without its chain', { roles: ['ledger'] }, /chain: is needed/],
    ['patients and a researcher in one node', { roles: ['gateway', 'research'], http: {}, research: true }, /./],
  ])('refuses %s', (_what, settings, message) => {
    expect(() => parseNodeConfig({ ...minimal, ...settings })).toThrow(message);
  });
});
