import { once } from 'node:events';
import { connect } from 'node:net';

export interface RawAnswer {
  /** 0 where the connection was closed without a word. */
  readonly status: number;
  /** Everything that came, head and body. */
  readonly text: string;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
}

/** Sends bytes as they are, which no HTTP client would, and reads until the server closes or a stream begins. */
export async function askRaw(port: number, request: string): Promise<RawAnswer> {
  const socket = connect(port, '127.0.0.1');
  let text = '';
  const ended = new Promise<void>((resolve) => {
    socket.on('data', (chunk) => {
      text += chunk.toString('latin1');
      if (/^content-type: text\/event-stream/im.test(text)) resolve();
    });
    socket.on('close', () => resolve());
    socket.on('error', () => resolve());
  });
  socket.write(request, 'latin1');
  await ended;
  socket.destroy();
  return parse(text);
}

/** One request that asks the server to close afterwards. `path` goes out as it is. */
export function ask(
  port: number,
  method: string,
  path: string,
  headers: Readonly<Record<string, string>> = {},
  body = '',
): Promise<RawAnswer> {
  const length = body === '' ? {} : { 'content-type': 'application/json', 'content-length': String(body.length) };
  const all = { host: 'localhost', connection: 'close', ...length, ...headers };
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`);
  return askRaw(port, `${method} ${path} HTTP/1.1\r\n${lines.join('')}\r\n${body}`);
}

/** A connection that has sent `request` and stays; dispose to drop it. */
export async function hold(port: number, request: string) {
  const socket = connect(port, '127.0.0.1');
  const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()));
  socket.on('error', () => {}).resume();
  await once(socket, 'connect');
  if (request !== '') socket.write(request, 'latin1');
  return { closed, [Symbol.dispose]: () => void socket.destroy() };
}

function parse(text: string): RawAnswer {
  const [head = ''] = text.split('\r\n\r\n', 1);
  const [first = '', ...lines] = head.split('\r\n');
  const headers = Object.fromEntries(
    lines.map((line) => {
      const at = line.indexOf(':');
      return [line.slice(0, at).toLowerCase(), line.slice(at + 1).trim()];
    }),
  );
  return { status: Number(first.split(' ')[1] ?? 0), text, headers };
}
