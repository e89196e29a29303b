import 'reflect-metadata';
import { execFileSync } from 'node:child_process';
import { generateKeyPairSync, webcrypto } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type ConnectionOptions, connect, createServer, type TlsOptions } from 'node:tls';
import * as x509 from '@peculiar/x509';
import { createSeededRandom } from '@pulsemesh/base';
import { VirtualClock } from '@pulsemesh/base/testing';
import { fromHex } from '@pulsemesh/wire';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Identity } from '../identity.ts';
import { peerUri } from './certificate-names.ts';
import { AuthorityRefusedError } from './errors.ts';
import {
  certificateFingerprint,
  certificateToPem,
  createRoot,
  generateServerKey,
  type Issuer,
  openIssuer,
  revocationListToPem,
} from './issuer.ts';
import { type CertificateFault, type JudgeOptions, judgeCertificate, parseRevocationList } from './judge.ts';
import { testKey } from './test-authority.ts';

const clock = new VirtualClock();
const deps = { clock, random: createSeededRandom(11) };
const agent = testKey(1);
const names = { dns: ['relay.example'], ip: [] };

async function authorityOf(seed: number, organisation = 'St. Mary'): Promise<Issuer> {
  const root = await createRoot(
    testKey(seed),
    { organisation, names: { dns: ['localhost', ...names.dns], ip: ['127.0.0.1'] } },
    deps,
  );
  return openIssuer(testKey(seed), root, deps);
}

const issuer = await authorityOf(100);
const good = await issuer.issueAgent({ peer: agent.peerId, organisation: 'Ward "7", #1+O=x', role: 'agent' });

function judge(more: Partial<JudgeOptions> = {}) {
  const { peerId, publicKey } = agent;
  const base = { certificates: [good.der], peerId, publicKey, roots: [issuer.root], crl: null, now: clock.now() };
  return judgeCertificate({ ...base, ...more });
}

const ec = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;

/** An authority in the test's hands, that signs whatever it is told to. */
async function lawlessAuthority() {
  const keys = (await webcrypto.subtle.generateKey(ec, true, ['sign', 'verify'])) as webcrypto.CryptoKeyPair;
  const dates = { notBefore: new Date(clock.now() - 1_000), notAfter: new Date(clock.now() + 86_400_000) };
  const root = await x509.X509CertificateGenerator.createSelfSigned({
    ...dates,
    name: 'CN=lawless',
    keys,
    signingAlgorithm: ec,
    extensions: [new x509.BasicConstraintsExtension(true, undefined, true)],
  });
  const make = async (facts: {
    readonly subject?: string;
    readonly publicKey?: Uint8Array;
    readonly isCa?: boolean;
    readonly usage?: string;
    readonly uri?: string;
    readonly issuer?: string;
    readonly signer?: webcrypto.CryptoKey;
    readonly hash?: string;
  }) => {
    const certificate = await x509.X509CertificateGenerator.create({
      ...dates,
      serialNumber: '01',
      subject: facts.subject ?? `O=Ward 7, OU=agent, CN=${agent.peerId}`,
      issuer: facts.issuer ?? root.subject,
      publicKey: new Uint8Array(facts.publicKey ?? spkiOf(agent)),
      signingKey: facts.signer ?? keys.privateKey,
      signingAlgorithm: { ...ec, hash: facts.hash ?? 'SHA-256' },
      extensions: [
        new x509.BasicConstraintsExtension(facts.isCa ?? false),
        new x509.ExtendedKeyUsageExtension([facts.usage ?? x509.ExtendedKeyUsage.clientAuth]),
        new x509.SubjectAlternativeNameExtension([{ type: 'url', value: facts.uri ?? peerUri(agent.peerId) }]),
      ],
    });
    return new Uint8Array(certificate.rawData);
  };
  return { root: new Uint8Array(root.rawData), rootName: root.subject, keys, make };
}

function spkiOf(identity: Identity): Uint8Array {
  return new Uint8Array([...fromHex('302a300506032b6570032100'), ...identity.publicKey]);
}

async function newEcKey(): Promise<{ readonly spki: Uint8Array; readonly privateKey: webcrypto.CryptoKey }> {
  const pair = (await webcrypto.subtle.generateKey(ec, true, ['sign', 'verify'])) as webcrypto.CryptoKeyPair;
  const spki = new Uint8Array(await webcrypto.subtle.exportKey('spki', pair.publicKey));
  return { spki, privateKey: pair.privateKey };
}

describe('an agent’s certificate', () => {
  it('counts, and says who holds it, whatever stands in the organisation’s name', () => {
    expect(judge()).toMatchObject({
      ok: true,
      facts: { peer: agent.peerId, organisation: 'Ward "7", #1+O=x', role: 'agent', serial: good.serial },
    });
    expect(judge({ roles: ['agent'] }).ok).toBe(true);
    expect(judge({ certificates: [good.der, issuer.root] }).ok).toBe(true);
  });

  it('is refused with a code of its own for each fault', async () => {
    const lawless = await lawlessAuthority();
    const lawlessly = async (facts: Parameters<typeof lawless.make>[0], ...rest: Uint8Array[]) =>
      judge({ certificates: [await lawless.make(facts), ...rest], roots: [lawless.root] });
    const list = await parseRevocationList(
      await issuer.signList([{ serial: good.serial, atMs: clock.now(), isCompromised: true }], 1, clock.now() + 1e6),
      [issuer.root],
    );
    const stale = { ...list, nextUpdateMs: clock.now() - 3_600_000 };
    const other = testKey(2);
    const tampered = good.der.slice();
    tampered[tampered.length - 1] = (tampered.at(-1) as number) ^ 1;
    const middle = await newEcKey();
    const intermediate = await lawless.make({ subject: 'CN=middle', publicKey: middle.spki, isCa: true });
    const belowLeaf = await lawless.make({ subject: 'CN=middle', publicKey: middle.spki, isCa: false });
    const below = { issuer: 'CN=middle', signer: middle.privateKey };
    const weakRsa = generateKeyPairSync('rsa', { modulusLength: 1024 }).publicKey.export({
      type: 'spki',
      format: 'der',
    });
    const sameName = await authorityOf(101);

    // The chain that is as it should be, so that the ones below fail for what they say.
    expect((await lawlessly({})).ok).toBe(true);
    expect((await lawlessly(below, intermediate)).ok).toBe(true);

    const bad: readonly (readonly [string, CertificateFault, ReturnType<typeof judge>])[] = [
      ['expired', 'expired', judge({ now: good.notAfterMs + 61_000 })],
      ['its root expired', 'expired', judge({ now: clock.now() + 20 * 365 * 86_400_000 })],
      ['from the future', 'not-yet-valid', judge({ now: clock.now() - 600_000 })],
      ['revoked', 'revoked', judge({ crl: list })],
      ['with a list that ran out', 'crl-stale', judge({ crl: stale })],
      ['another’s, whole', 'wrong-peer', judge({ peerId: other.peerId, publicKey: other.publicKey })],
      ['our name, another key', 'wrong-peer', await lawlessly({ publicKey: spkiOf(other) })],
      ['our name, a key of another kind', 'wrong-peer', await lawlessly({ publicKey: middle.spki })],
      ['our key, another name', 'wrong-peer', await lawlessly({ uri: peerUri(other.peerId) })],
      ['of an authority nobody knows', 'unknown-issuer', judge({ roots: [lawless.root] })],
      ['of nobody', 'unknown-issuer', judge({ roots: [] })],
      ['of an authority of the same name', 'bad-signature', judge({ roots: [sameName.root] })],
      ['altered', 'bad-signature', judge({ certificates: [tampered] })],
      ['of RSA with 1024 bits', 'weak-key', await lawlessly({ publicKey: weakRsa })],
      ['signed with SHA-1', 'weak-key', await lawlessly({ hash: 'SHA-1' })],
      ['for servers', 'wrong-usage', await lawlessly({ usage: x509.ExtendedKeyUsage.serverAuth })],
      ['an authority’s own', 'wrong-usage', await lawlessly({ isCa: true })],
      ['issued by no authority', 'wrong-usage', await lawlessly(below, belowLeaf)],
      ['of a role that is none', 'wrong-role', await lawlessly({ subject: 'O=Ward 7, OU=king' })],
      ['of another role', 'wrong-role', judge({ roles: ['relay'] })],
      ['without organisation', 'malformed', await lawlessly({ subject: 'OU=agent' })],
      ['empty', 'malformed', judge({ certificates: [] })],
      ['no DER', 'malformed', judge({ certificates: [Uint8Array.of(1, 2, 3)] })],
      ['PEM', 'malformed', judge({ certificates: [Buffer.from(certificateToPem(good.der))] })],
      ['followed by more', 'malformed', judge({ certificates: [new Uint8Array([...good.der, 0])] })],
      ['too long', 'malformed', judge({ certificates: [new Uint8Array(8_193)] })],
      ['a chain of four', 'too-long-chain', judge({ certificates: Array(4).fill(good.der) })],
      [
        'two authorities deep',
        'too-long-chain',
        await lawlessly(
          below,
          intermediate,
          await lawless.make({ subject: lawless.rootName, publicKey: middle.spki, isCa: true }),
        ),
      ],
    ];
    expect(bad.map(([what, , found]) => [what, found.ok ? 'ok' : found.code])).toEqual(
      bad.map(([what, code]) => [what, code]),
    );
    expect(new Set(bad.map(([, code]) => code)).size).toBe(12);
  });

  it('never throws, whatever the bytes', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 5 }), (certificates) => {
        expect(judge({ certificates }).ok).toBe(false);
      }),
    );
    fc.assert(
      fc.property(fc.nat(good.der.length - 1), fc.integer({ min: 1, max: 255 }), (at, flip) => {
        const changed = good.der.slice();
        changed[at] = (changed[at] as number) ^ flip;
        expect(judge({ certificates: [changed] }).ok).toBe(false);
      }),
      { numRuns: 300 },
    );
  });
});

describe('a list of revoked certificates', () => {
  it('is refused when cut or random, with a condition, and when altered says what was signed or nothing', async () => {
    const der = await issuer.signList([{ serial: '0a', atMs: clock.now(), isCompromised: false }], 70_000, clock.now());
    const { isRevoked: _, ...signed } = await parseRevocationList(der, [issuer.root]);
    expect(signed).toMatchObject({ number: 70_000, serials: new Set(['0a']) });
    const refused = async (bytes: Uint8Array) => {
      const refusal = { name: 'AuthorityRefusedError' };
      await expect(parseRevocationList(bytes, [issuer.root])).rejects.toMatchObject(refusal);
    };
    await fc.assert(
      fc.asyncProperty(fc.nat(der.length - 1), fc.integer({ min: 1, max: 255 }), async (at, flip) => {
        const changed = der.slice();
        changed[at] = (changed[at] as number) ^ flip;
        // X.509 leaves a few bytes outside the signature (the algorithm is named twice): altered there, it still says the same.
        const said = await parseRevocationList(changed, [issuer.root]).catch((error) => error);
        if (said instanceof AuthorityRefusedError) expect(said.code).toMatch(/^(malformed|bad-signature)$/);
        else expect(said).toMatchObject(signed);
        await refused(der.subarray(0, at));
      }),
      { numRuns: 400 },
    );
    await fc.assert(fc.asyncProperty(fc.uint8Array({ maxLength: 200 }), refused), { numRuns: 60 });
  });
});

const ed25519Pkcs8Head = fromHex('302e020100300506032b657004220420');

function keyPem(identity: Identity): string {
  const seed = identity.libp2pPrivateKeyBytes.subarray(0, 32);
  return x509.PemConverter.encode(new Uint8Array([...ed25519Pkcs8Head, ...seed]), 'PRIVATE KEY');
}

/** One handshake both ways; what the client was told, and whom the server saw. Empty: cut off before. */
async function handshake(server: TlsOptions, client: ConnectionOptions): Promise<readonly [string, string]> {
  const listening = createServer({ ...server, requestCert: true, rejectUnauthorized: true, minVersion: 'TLSv1.3' });
  listening.listen(0, '127.0.0.1');
  await once(listening, 'listening');
  const seen = new Promise<string>((resolve) => {
    listening.once('secureConnection', (socket) => {
      resolve(socket.getPeerCertificate().subjectaltname ?? '');
      socket.end('hello');
    });
    listening.once('connection', (socket) => socket.once('close', () => resolve('')));
  });
  const { port } = listening.address() as AddressInfo;
  const socket = connect({ ...client, host: '127.0.0.1', port });
  const said = new Promise<string>((resolve) => {
    socket.once('data', (data) => resolve(data.toString()));
    socket.on('error', () => resolve(''));
    socket.once('close', () => resolve(''));
  });
  try {
    return await Promise.all([said, seen]);
  } finally {
    socket.destroy();
    listening.close();
  }
}

describe('a stock TLS stack', () => {
  // It goes by the machine's clock, so these are issued by it.
  async function issuedNow() {
    const now = { clock: { ...clock, now: () => Date.now() } as never, random: deps.random };
    const facts = { organisation: 'St. Mary', names: { dns: ['localhost'], ip: ['127.0.0.1'] } };
    const authority = await openIssuer(testKey(100), await createRoot(testKey(100), facts, now), now);
    const member = await authority.issueAgent({ peer: agent.peerId, organisation: 'Ward 7', role: 'agent' });
    const key = await generateServerKey();
    const served = await authority.issueServer({
      dns: ['localhost'],
      ip: ['127.0.0.1'],
      organisation: 'St. Mary',
      publicKey: key.publicKey,
    });
    const foreign = await authority.issueServer({
      dns: ['bank.example'],
      ip: [],
      organisation: 'x',
      publicKey: key.publicKey,
    });
    const soon = Date.now() + 3_600_000;
    const revoked = await authority.signList(
      [{ serial: member.serial, atMs: soon - 3_600_000, isCompromised: false }],
      2,
      soon,
    );
    const empty = await authority.signList([], 1, soon);
    return { authority, member, key, served, foreign, revoked, empty };
  }

  it('takes both kinds in a mutual handshake, and obeys the list', async () => {
    const { authority, member, key, served, revoked, empty } = await issuedNow();
    const ca = certificateToPem(authority.root);
    const client = { ca, cert: certificateToPem(member.der), key: keyPem(agent) };
    const server = { ca, cert: certificateToPem(served.der), key: key.pem };
    const name = `URI:${peerUri(agent.peerId)}`;
    expect(await handshake(server, client)).toEqual(['hello', name]);
    expect(await handshake({ ...server, crl: revocationListToPem(empty) }, client)).toEqual(['hello', name]);
    expect(await handshake({ ...server, crl: revocationListToPem(revoked) }, client)).toEqual(['', '']);
    const elsewhere = await authorityOf(101);
    const foreigner = { ...server, ca: certificateToPem(elsewhere.root) };
    expect(await handshake(foreigner, client)).toEqual(['', '']);
    expect((await handshake(server, { ...client, ca: certificateToPem(elsewhere.root) }))[0]).toBe('');
  });

  it('finds them in order with openssl verify, and keeps the root to its names', async () => {
    const { authority, member, served, foreign, revoked } = await issuedNow();
    const directory = mkdtempSync(join(tmpdir(), 'pulsemesh-openssl-'));
    try {
      const file = (name: string, text: string) => {
        writeFileSync(join(directory, name), text);
        return join(directory, name);
      };
      const root = file('root.pem', certificateToPem(authority.root));
      const verify = (pem: string, ...args: readonly string[]) => {
        const all = ['verify', '-x509_strict', ...args, '-CAfile', root, file('leaf.pem', pem)];
        return execFileSync('openssl', all, { encoding: 'utf8', stdio: 'pipe' }).trim();
      };
      expect(verify(certificateToPem(member.der), '-purpose', 'sslclient')).toMatch(/: OK$/);
      expect(verify(certificateToPem(served.der), '-purpose', 'sslserver')).toMatch(/: OK$/);
      expect(() => verify(certificateToPem(member.der), '-purpose', 'sslserver')).toThrow(/purpose/);
      expect(() => verify(certificateToPem(foreign.der))).toThrow(/permitted subtree violation/);
      const crl = file('list.pem', revocationListToPem(revoked));
      expect(() => verify(certificateToPem(member.der), '-crl_check', '-CRLfile', crl)).toThrow(/revoked/);
    } finally {
      rmSync(directory, { recursive: true });
    }
  });

  it('brings the same root key back from the same identity', async () => {
    const again = await openIssuer(testKey(100), issuer.root, deps);
    const { der } = await again.issueAgent({ peer: agent.peerId, organisation: 'Ward 7', role: 'agent' });
    expect(judge({ certificates: [der] }).ok).toBe(true);
    await expect(openIssuer(testKey(101), issuer.root, deps)).rejects.toThrow('another key');
    expect(certificateFingerprint(issuer.root)).toHaveLength(32);
  });
});
