import type { CarrierConnector, CarrierDependencies, ConnectRequest } from './carriers/connect.ts';
import { pathUnder } from './carriers/connect.ts';
import type { HttpExchange } from './carriers/http-exchange.ts';
import { PollCarrier } from './carriers/poll-carrier.ts';
import { StreamCarrier } from './carriers/stream-carrier.ts';

type HttpTransport = 'stream' | 'sse' | 'long-poll' | 'short-poll';

/** The transports that are POST requests, over whatever makes these. Their first request opens the connection. */
export function createHttpConnectors(
  createExchange: (url: URL) => HttpExchange,
  deps: CarrierDependencies,
): Readonly<Record<HttpTransport, CarrierConnector>> {
  const stream = (transport: 'stream' | 'sse') => async (request: ConnectRequest) =>
    new StreamCarrier(
      {
        ...common(request),
        transport,
        streamPath: pathUnder(request.url, `/link/v1/stream?c=${request.id}${transport === 'sse' ? '&as=sse' : ''}`),
        sendPath: pathUnder(request.url, `/link/v1/send?c=${request.id}`),
        uploadPath: pathUnder(request.url, `/link/v1/send?c=${request.id}&as=upload`),
        exchange: createExchange(request.url),
      },
      deps,
    );
  const poll = (transport: 'long-poll' | 'short-poll') => async (request: ConnectRequest) =>
    new PollCarrier(
      {
        ...common(request),
        transport,
        path: pathUnder(request.url, `/link/v1/poll?c=${request.id}&wait=`),
        exchange: createExchange(request.url),
        ...(request.pollWaitMs === undefined ? {} : { pollWaitMs: request.pollWaitMs }),
      },
      deps,
    );
  return {
    stream: stream('stream'),
    sse: stream('sse'),
    'long-poll': poll('long-poll'),
    'short-poll': poll('short-poll'),
  };
}

function common({ id, packetBytesMax }: ConnectRequest) {
  return packetBytesMax === undefined ? { id } : { id, packetBytesMax };
}
