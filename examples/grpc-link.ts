/**
 * A stock gRPC client at a relay, written from link.proto and relay.proto alone: logs in, asks another agent one question, prints
 * the answer. Nothing of Pulsemesh is imported. For simplicity it sends nothing again: one carrier, one session.
 *
 *   node examples/grpc-link.ts HOST:PORT SERVER-KEY TO NAME TEXT [CA-FILE]
 *
 * SERVER-KEY: the relay's Ed25519 key, hex. TO: the other agent's address, hex. Without CA-FILE: no TLS.
 */
import {
  createCipheriv,
  createDecipheriv,
  createHash,
  createPublicKey,
  diffieHellman,
  generateKeyPairSync,
  hkdfSync,
  type KeyObject,
  randomBytes,
  sign,
  verify,
} from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import {
  type ClientDuplexStream,
  credentials,
  loadPackageDefinition,
  type ServiceClientConstructor,
} from '@grpc/grpc-js';
import { loadSync, type MessageTypeDefinition } from '@grpc/proto-loader';

const protoFiles = ['link', 'relay'].map((name) =>
  fileURLToPath(new URL(`../packages/${name}/proto/${name}.proto`, import.meta.url)),
);
const definition = loadSync(protoFiles, { keepCase: true, longs: Number, defaults: true, arrays: true });

/** A decoded message: what is absent is null (messages), 0, '' or empty. */
// biome-ignore lint/suspicious/noExplicitAny: messages are read as the .proto says, without generated types
type Message = Record<string, any>;

function codec(name: string) {
  const type = definition[`pulsemesh.${name}`] as MessageTypeDefinition<Message, Message>;
  return { encode: (message: Message) => type.serialize(message), decode: (bytes: Buffer) => type.deserialize(bytes) };
}

const hello = codec('link.v1.Hello');
const welcomeCore = codec('link.v1.WelcomeCore');
const batches = codec('link.v1.Batch');
const peerOpen = codec('relay.v1.PeerOpen');

const [place = '', serverKey = '', to = '', name = '', text = '', caFile] = process.argv.slice(2);
const { pulsemesh } = loadPackageDefinition(definition) as Message;
const Link = pulsemesh.link.v1.Link as ServiceClientConstructor;
const trust = caFile === undefined ? credentials.createInsecure() : credentials.createSsl(readFileSync(caFile));
const client = new Link(place, trust);
const call = client['Session']?.call(client) as ClientDuplexStream<Message, Message>;

const incoming = call[Symbol.asyncIterator]();
async function nextPacket(): Promise<Message> {
  const { value, done } = await incoming.next();
  if (done === true) throw new Error('the relay ended the call');
  if (value.refusal) throw new Error(`refused: ${value.refusal.code}: ${value.refusal.text}`);
  return value;
}

const sha256 = (...parts: readonly Uint8Array[]) => {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return hash.digest();
};
const rawKey = (key: KeyObject) => Buffer.from(key.export({ format: 'jwk' }).x ?? '', 'base64url');
const publicKey = (curve: 'Ed25519' | 'X25519', raw: Buffer) =>
  createPublicKey({ key: { kty: 'OKP', crv: curve, x: raw.toString('base64url') }, format: 'jwk' });

// The handshake.
const ephemeral = generateKeyPairSync('x25519');
const helloMessage = { version: 1, ephemeral: rawKey(ephemeral.publicKey), nonce: randomBytes(32) };
const helloHash = sha256(hello.encode(helloMessage));
call.write({ hello: helloMessage });
const { welcome } = await nextPacket();
const core = welcomeCore.decode(welcome.core);
const signed = Buffer.concat([Buffer.from('pulsemesh/link/1 server'), helloHash, welcome.core]);
if (core['server'].toString('hex') !== serverKey) throw new Error('another relay than the one expected');
if (!verify(null, signed, publicKey('Ed25519', core['server']), welcome.signature))
  throw new Error('a wrong signature');
const transcript = sha256(Buffer.from('pulsemesh/link/1 transcript'), helloHash, sha256(welcome.core));
// Throws for an all-zero secret.
const secret = diffieHellman({ privateKey: ephemeral.privateKey, publicKey: publicKey('X25519', core['ephemeral']) });
const keys = Buffer.from(hkdfSync('sha256', secret, transcript, 'pulsemesh/link/1 keys', 64));

// The seal.
let number = 0;
function sealed(batch: Message): Message {
  number += 1;
  const count = Buffer.alloc(8);
  count.writeBigUInt64BE(BigInt(number));
  const cipher = createCipheriv('aes-256-gcm', keys.subarray(0, 32), Buffer.concat([Buffer.alloc(4), count]));
  cipher.setAAD(Buffer.concat([core['session'], count]));
  const box = Buffer.concat([cipher.update(batches.encode(batch)), cipher.final(), cipher.getAuthTag()]);
  return { sealed: { session: core['session'], number, box } };
}

function opened(packet: Message): Message {
  const { number: received, box } = packet['sealed'];
  const count = Buffer.alloc(8);
  count.writeBigUInt64BE(BigInt(received));
  const decipher = createDecipheriv('aes-256-gcm', keys.subarray(32), Buffer.concat([Buffer.alloc(4), count]));
  decipher.setAAD(Buffer.concat([core['session'], count]));
  decipher.setAuthTag(box.subarray(-16));
  return batches.decode(Buffer.concat([decipher.update(box.subarray(0, -16)), decipher.final()]));
}

// The login, and the question in the same batch: it is asked once the login is accepted.
const own = generateKeyPairSync('ed25519');
const signature = sign(null, Buffer.concat([Buffer.from('pulsemesh/link/1 agent'), transcript]), own.privateKey);
const open = peerOpen.encode({ to: Buffer.from(to, 'hex'), name });
const items = [
  { login: { public_key: rawKey(own.publicKey), signature, software: 'grpc-link/1' } },
  { open: { stream: 1, method: 'peer.open' } },
  { data: { stream: 1, payload: open } },
  { data: { stream: 1, payload: Buffer.from(text) } },
  { end: { stream: 1 } },
];
call.write(sealed({ route: 1, first: 1, items }));

// Items come in order on one stream of HTTP/2; what came is acknowledged.
let received = 0;
const parts: Buffer[] = [];
let isAnswered = false;
while (!isAnswered) {
  const batch = opened(await nextPacket());
  if (batch['items'].length > 0) received = batch['first'] + batch['items'].length - 1;
  for (const item of batch['items'] as Message[]) {
    if (item['login_result']?.accepted === false) throw new Error(`login refused: ${item['login_result'].code}`);
    if (item['reset']) throw new Error(`not answered: ${item['reset'].code}`);
    if (item['data']) parts.push(item['data'].payload);
    isAnswered ||= item['data']?.more === false;
  }
  call.write(sealed({ route: 1, ack: received, pong: batch['ping'], close: isAnswered }));
}
process.stdout.write(`${Buffer.concat(parts)}\n`);
call.end();
await Promise.race([once(call, 'end'), once(call, 'status')]);
client.close();
