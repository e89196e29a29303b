/** A TLS key pair in PEM, and the certificate clients trust. */
export interface TlsPair {
  readonly key: string;
  readonly cert: string;
}

export interface ListenOptions {
  /** Null: plaintext. */
  readonly tls: TlsPair | null;
}

export interface ConnectOptions {
  readonly port: number;
  readonly tls: TlsPair | null;
  /** Names this connection at the server: small integers from 1. */
  readonly id: number;
  /** Called with each payload that was sent to `id`. */
  readonly onMessage: (payload: Uint8Array) => void;
}

/** One end of a contender, held by the load process. */
export interface LoadClient {
  /** Sends to the connection with that id, through the server. */
  send(to: number, payload: Uint8Array): void;
  close(): void;
}

/** A running server. `pid` names the process to watch where it is not the bench's own server process. */
export interface RunningServer {
  readonly port: number;
  readonly pid?: number;
  stop(): Promise<void>;
}

/** A messaging server that passes messages from one connection to another, and its client. */
export interface Contender {
  readonly name: string;
  /** Runs in the server process. */
  listen(options: ListenOptions): Promise<RunningServer>;
  /** Runs in the load process; resolves when messages can be sent and will arrive. */
  connect(options: ConnectOptions): Promise<LoadClient>;
}

/** Message on the wire of the bare contenders: receiver's id in 16 bytes, then the payload. */
export const headerBytes = 16;

export function withHeader(to: number, payload: Uint8Array): Buffer {
  const message = Buffer.allocUnsafe(headerBytes + payload.length);
  message.fill(0, 0, headerBytes);
  message.writeUInt32BE(to, 0);
  message.set(payload, headerBytes);
  return message;
}
