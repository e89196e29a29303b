/** Somebody on a local network who repeats the hellos of others from an address of its own, as they are and changed. */
import { createSocket } from 'node:dgram';
import { createServer } from 'node:net';
import { networkInterfaces } from 'node:os';

const group = '239.192.85.80';
const port = 28_655;
const say = (what: object) => process.stdout.write(`${JSON.stringify(what)}\n`);
const address = Object.values(networkInterfaces())
  .flat()
  .find((one) => one?.family === 'IPv4' && !one.internal)?.address;
if (address === undefined) throw new Error('the machine is on a network');

const socket = createSocket({ type: 'udp4', reuseAddr: true });
const listening = new Set<number>();
let count = 0;

/** Whoever were taken in would connect here, at the port that the hello names. */
function listenAt(tcpPort: number): void {
  if (listening.has(tcpPort)) return;
  listening.add(tcpPort);
  createServer((one) => {
    say({ kind: 'connected', address: one.remoteAddress });
    one.destroy();
  }).listen(tcpPort, '0.0.0.0');
}

/** Deterministic CBOR: the port is three bytes after the key of 34. */
const portAt = 1 + 1 + 9 + 34;

socket.on('message', (hello, { address: from }) => {
  if (from === address || count >= 100) return;
  listenAt(hello.readUInt16BE(portAt + 1));
  const forged = Buffer.from(hello);
  forged.writeUInt16BE(60_000, portAt + 1);
  listenAt(60_000);
  for (const bytes of [hello, forged, Buffer.alloc(1_400, 1), Buffer.from('hello')]) {
    for (let copy = 0; copy < 5; copy += 1) {
      socket.send(bytes, port, group);
      count += 1;
    }
  }
  say({ kind: 'repeated', count });
});
socket.bind(port, () => {
  socket.addMembership(group, address);
  socket.setMulticastInterface(address);
  say({ kind: 'ready', peer: '' });
});
process.stdin.on('end', () => process.exit(0)).resume();
