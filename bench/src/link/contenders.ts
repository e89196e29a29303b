import type { Contender } from './contender.ts';
import { grpcJs } from './contenders/grpc-js.ts';
import { natsWs } from './contenders/nats.ts';
import { ours } from './contenders/ours.ts';
import { rawWs } from './contenders/raw-ws.ts';
import { socketIo } from './contenders/socket-io.ts';

/** Everything the bench compares, by the name the server process is given. */
export const contenders: Readonly<Record<string, Contender>> = {
  ws: rawWs,
  'socket.io-websocket': socketIo('websocket'),
  'socket.io-polling': socketIo('polling'),
  'grpc-js': grpcJs,
  'nats-websocket': natsWs,
  'ours-websocket': ours('websocket'),
  'ours-grpc': ours('grpc'),
  'ours-stream': ours('stream'),
  'ours-long-poll': ours('long-poll'),
};

/** @throws for a name that is none. */
export function contenderOf(name: string): Contender {
  const contender = contenders[name];
  if (contender === undefined) throw new Error(`no contender "${name}"`);
  return contender;
}
