/**
 * A link to a relay in plain JavaScript, written from link.proto and relay.proto alone: WebSocket, WebCrypto, no library, no
 * bundler. For simplicity it has one carrier and sends nothing again; the built client (`@pulsemesh/relay/page.js`) does both.
 */
const text = (value) => new TextEncoder().encode(value);
const nothing = new Uint8Array(0);

function join(...parts) {
  const joined = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let offset = 0;
  for (const part of parts) {
    joined.set(part, offset);
    offset += part.length;
  }
  return joined;
}

function fromHex(hex) {
  return Uint8Array.from(hex.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
}

const toHex = (bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');

// ── protocol buffers: [number, value] pairs out, a map of number → values in ──────────────────

function varint(value) {
  const bytes = [];
  let rest = value;
  while (rest > 127) {
    bytes.push((rest % 128) | 128);
    rest = Math.floor(rest / 128);
  }
  return Uint8Array.of(...bytes, rest);
}

/** A number is a varint, a bigint a fixed64, everything else bytes. What is empty is left out. */
function encode(...fields) {
  const parts = [];
  for (const [number, value] of fields) {
    if (typeof value === 'bigint') parts.push(varint(number * 8 + 1), fixed64(value, true));
    else if (typeof value === 'number') parts.push(...(value === 0 ? [] : [varint(number * 8), varint(value)]));
    else if (value !== undefined) parts.push(varint(number * 8 + 2), varint(value.length), value);
  }
  return join(...parts);
}

function decode(bytes) {
  const fields = new Map();
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  let position = 0;
  const readVarint = () => {
    let value = 0;
    for (let scale = 1; scale <= 2 ** 49; scale *= 128) {
      const byte = view.getUint8(position);
      position += 1;
      value += (byte & 127) * scale;
      if (byte < 128) return value;
    }
    throw new Error('a number is too great');
  };
  const readValue = (wireType) => {
    if (wireType === 0) return readVarint();
    const length = wireType === 2 ? readVarint() : wireType === 1 ? 8 : 4;
    position += length;
    if (position > bytes.length) throw new Error('a message ends early');
    return bytes.subarray(position - length, position);
  };
  while (position < bytes.length) {
    const tag = readVarint();
    const values = fields.get(tag >>> 3) ?? [];
    values.push(readValue(tag & 7));
    fields.set(tag >>> 3, values);
  }
  return {
    all: (number) => fields.get(number) ?? [],
    bytes: (number) => fields.get(number)?.at(-1) ?? nothing,
    number: (number) => fields.get(number)?.at(-1) ?? 0,
    text: (number) => new TextDecoder().decode(fields.get(number)?.at(-1)),
    has: (number) => fields.has(number),
  };
}

function fixed64(value, isLittleEndian) {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(value), isLittleEndian);
  return bytes;
}

// ── WebCrypto ─────────────────────────────────────────────────────────────────────────────────

const { subtle } = crypto;
const sha256 = async (bytes) => new Uint8Array(await subtle.digest('SHA-256', bytes));
const rawKey = async (key) => new Uint8Array(await subtle.exportKey('raw', key));

/** Keys of both directions and the transcript (HANDSHAKE). Throws when the relay is not the one expected. */
async function agree(ephemeral, hello, welcome, serverKey) {
  const core = decode(welcome.bytes(1));
  if (toHex(core.bytes(4)) !== serverKey) throw new Error('another relay than the one expected');
  const helloHash = await sha256(hello);
  const signed = join(text('pulsemesh/link/1 server'), helloHash, welcome.bytes(1));
  const server = await subtle.importKey('raw', core.bytes(4), 'Ed25519', false, ['verify']);
  if (!(await subtle.verify('Ed25519', server, welcome.bytes(2), signed))) throw new Error('a wrong signature');
  const transcript = await sha256(join(text('pulsemesh/link/1 transcript'), helloHash, await sha256(welcome.bytes(1))));
  const theirs = await subtle.importKey('raw', core.bytes(3), 'X25519', false, []);
  // Refuses an all-zero secret.
  const secret = await subtle.deriveBits({ name: 'X25519', public: theirs }, ephemeral.privateKey, 256);
  const material = await subtle.importKey('raw', secret, 'HKDF', false, ['deriveBits']);
  const derivation = { name: 'HKDF', hash: 'SHA-256', salt: transcript, info: text('pulsemesh/link/1 keys') };
  const keys = await subtle.deriveBits(derivation, material, 512);
  const [seal, open] = [keys.slice(0, 32), keys.slice(32)].map((key) =>
    subtle.importKey('raw', key, 'AES-GCM', false, ['encrypt', 'decrypt']),
  );
  return { session: core.bytes(2), transcript, seal: await seal, open: await open };
}

const boxParameters = (session, number) => ({
  name: 'AES-GCM',
  iv: join(new Uint8Array(4), fixed64(number)),
  additionalData: join(session, fixed64(number)),
});

// ── the link ──────────────────────────────────────────────────────────────────────────────────

/** Packets of a WebSocket, to be asked for one after the other. */
async function openCarrier(origin) {
  const socket = new WebSocket(`${origin.replace(/^http/, 'ws')}/link/v1/websocket`, 'pulsemesh.link.v1');
  socket.binaryType = 'arraybuffer';
  const came = [];
  const state = { isOver: false, wake: () => {} };
  socket.onmessage = ({ data }) => {
    came.push(decode(new Uint8Array(data)));
    state.wake();
  };
  socket.onclose = () => {
    state.isOver = true;
    state.wake();
  };
  await new Promise((resolve, reject) => {
    socket.onopen = resolve;
    socket.onerror = () => reject(new Error('the relay cannot be reached'));
  });
  return {
    send: (packet) => socket.send(packet),
    close: () => socket.close(),
    async next() {
      while (came.length === 0) {
        if (state.isOver) throw new Error('the connection was closed');
        await new Promise((resolve) => {
          state.wake = resolve;
        });
      }
      const packet = came.shift();
      if (packet.has(4)) throw new Error(`refused: ${decode(packet.bytes(4)).text(1)}`);
      return packet;
    },
  };
}

/** A session at the relay of this origin, logged in with a key drawn for it. `serverKey`: the relay's, hex. */
export async function connect(origin, serverKey) {
  const carrier = await openCarrier(origin);
  const ephemeral = await subtle.generateKey('X25519', false, ['deriveBits']);
  const own = await subtle.generateKey('Ed25519', false, ['sign']);
  const nonce = crypto.getRandomValues(new Uint8Array(32));
  const hello = encode([1, 1], [2, await rawKey(ephemeral.publicKey)], [3, nonce]);
  carrier.send(encode([1, hello]));
  const welcome = decode((await carrier.next()).bytes(2));
  const keys = await agree(ephemeral, hello, welcome, serverKey);

  const sent = { packets: 0, items: 0, streams: 0 };
  let received = 0;
  async function say(items, more = []) {
    const first = items.length === 0 ? [] : [[4, sent.items + 1]];
    sent.items += items.length;
    sent.packets += 1;
    const number = sent.packets;
    const batch = encode([1, received], [2, 1], ...first, ...items.map((item) => [5, item]), ...more);
    const parameters = boxParameters(keys.session, number);
    const box = new Uint8Array(await subtle.encrypt(parameters, keys.seal, batch));
    carrier.send(encode([3, encode([1, keys.session], [2, BigInt(number)], [3, box])]));
  }

  /** The items of the next batch. On one WebSocket they come in order; what came is acknowledged, a ping answered. */
  async function hear() {
    const packet = decode((await carrier.next()).bytes(3));
    const number = new DataView(packet.bytes(2).slice().buffer).getBigUint64(0, true);
    const plain = await subtle.decrypt(boxParameters(keys.session, number), keys.open, packet.bytes(3));
    const batch = decode(new Uint8Array(plain));
    const items = batch.all(5).map(decode);
    if (items.length > 0) received = batch.number(4) + items.length - 1;
    if (items.length > 0 || batch.number(6) > 0) await say([], [[7, batch.number(6)]]);
    return items;
  }

  const signed = join(text('pulsemesh/link/1 agent'), keys.transcript);
  const signature = new Uint8Array(await subtle.sign('Ed25519', own.privateKey, signed));
  const login = encode([1, await rawKey(own.publicKey)], [2, signature], [5, text('browser-link/1')]);
  await say([encode([1, login])]);

  return {
    /** Asks an agent that is online (its address in hex) one question of up to 16 KiB; one at a time. */
    async request(to, name, question) {
      sent.streams += 1;
      const stream = 2 * sent.streams - 1;
      const peerOpen = encode([1, fromHex(to)], [2, text(name)]);
      const data = (payload) => encode([4, encode([1, stream], [2, payload])]);
      const open = encode([3, encode([1, stream], [2, text('peer.open')])]);
      await say([open, data(peerOpen), data(text(question)), encode([6, encode([1, stream])])]);
      const parts = [];
      for (;;) {
        for (const item of await hear()) {
          if (item.has(2) && decode(item.bytes(2)).number(1) !== 1) throw new Error('the login was refused');
          if (item.has(7)) throw new Error(decode(item.bytes(7)).text(2));
          if (!item.has(4)) continue;
          const part = decode(item.bytes(4));
          if (part.number(1) !== stream) continue;
          parts.push(part.bytes(2));
          if (part.number(3) === 0) return new TextDecoder().decode(join(...parts));
        }
      }
    },
    close() {
      void say([], [[8, 1]]).then(() => carrier.close());
    },
  };
}
