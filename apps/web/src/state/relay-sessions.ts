import { type RelayTransport, relayTransports } from '@pulsemesh/node/api';

const names: Readonly<Record<string, string>> = {
  grpc: 'gRPC (HTTP/2)',
  websocket: 'WebSocket',
  'websocket-h2': 'WebSocket over HTTP/2',
  stream: 'response stream',
  sse: 'server-sent events',
  'long-poll': 'long poll',
  'short-poll': 'short poll',
  drop: 'file drop',
};

/** What a transport is called for people; a newer server's unknown one keeps its own name. */
export function transportName(transport: string): string {
  return names[transport] ?? transport;
}

/** True for transports that a session can be moved to. */
export function isRelayTransport(text: string): text is RelayTransport {
  return relayTransports.some((transport) => transport === text);
}
