import type { Timer } from '@pulsemesh/base';
import type { Carrier } from '../../carrier.ts';
import { framedPacketBytesMax } from '../../framing.ts';
import { CarrierError } from '../errors.ts';
import { BaseCarrier, bufferedBytesMax, packetBytesMaxDefault } from './base-carrier.ts';
import { type CarrierDependencies, type ConnectRequest, pathUnder } from './connect.ts';

export const websocketProtocol = 'pulsemesh.link.v1';

/** A page is not told when its socket has room again; it looks this often while there is none, milliseconds. */
const lookMs = 10;

/**
 * Opens a carrier over the platform's `WebSocket`.
 * @throws {CarrierError} without the reason, which a page is not told; `signal.reason`.
 */
export function connectBrowserWebSocket(request: ConnectRequest, deps: CarrierDependencies): Promise<Carrier> {
  const url = new URL(pathUnder(request.url, '/link/v1/websocket'), request.url);
  url.protocol = request.url.protocol === 'https:' ? 'wss:' : 'ws:';
  return new Promise((resolve, reject) => {
    request.signal.throwIfAborted();
    const socket = new WebSocket(url, websocketProtocol);
    socket.binaryType = 'arraybuffer';
    const onAbort = () => {
      settle();
      socket.close();
      reject(request.signal.reason);
    };
    const onFailed = () => {
      settle();
      reject(new CarrierError('upgrade-refused', 'the WebSocket was refused or cut while it was opened'));
    };
    const onOpen = () => {
      settle();
      resolve(new BrowserWebSocketCarrier(request, socket, deps));
    };
    const settle = () => {
      request.signal.removeEventListener('abort', onAbort);
      socket.removeEventListener('close', onFailed);
      socket.removeEventListener('open', onOpen);
    };
    request.signal.addEventListener('abort', onAbort, { once: true });
    socket.addEventListener('close', onFailed);
    socket.addEventListener('open', onOpen);
  });
}

class BrowserWebSocketCarrier extends BaseCarrier {
  readonly transport = 'websocket';
  readonly connection = {};
  readonly packetBytesMax: number;
  readonly #socket: WebSocket;
  readonly #deps: CarrierDependencies;
  #look: Timer | null = null;

  constructor(request: ConnectRequest, socket: WebSocket, deps: CarrierDependencies) {
    super(request.id);
    this.packetBytesMax = request.packetBytesMax ?? packetBytesMaxDefault;
    this.#socket = socket;
    this.#deps = deps;
    socket.addEventListener('message', (event) => this.#received(event.data));
    socket.addEventListener('close', (event) => {
      const facts = { closeCode: event.code };
      this.close(new CarrierError('cut', 'the WebSocket was closed', { facts }));
    });
  }

  protected override hasRoom(): boolean {
    const isFull = this.#socket.bufferedAmount >= bufferedBytesMax;
    if (isFull) this.#lookAgain();
    return !isFull;
  }

  protected override transmit(packet: Uint8Array<ArrayBuffer>): void {
    if (this.#socket.readyState === WebSocket.OPEN) this.#socket.send(packet);
  }

  protected override release(): void {
    this.#look?.cancel();
    this.#socket.close();
  }

  #received(data: unknown): void {
    const isPacket = data instanceof ArrayBuffer && data.byteLength <= framedPacketBytesMax;
    if (isPacket) this.deliver(new Uint8Array(data));
    else this.close(new CarrierError('protocol', 'what came over the WebSocket is not a packet'));
  }

  #lookAgain(): void {
    this.#look ??= this.#deps.clock.setTimer(() => {
      this.#look = null;
      if (this.isWritable) this.tellWritable();
    }, lookMs);
  }
}
