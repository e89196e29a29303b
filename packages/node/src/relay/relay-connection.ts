import { Condition, type WaitOptions } from '@pulsemesh/base';
import type { Link } from '@pulsemesh/link';
import type { ByteStream } from '@pulsemesh/network';
import { addressOfKey, decodePeerOffer, encodePeerOpen } from '@pulsemesh/relay';
import { ed25519KeyOf, type PeerId, peerIdOfEd25519 } from '@pulsemesh/wire';
import { LinkByteStream } from './link-byte-stream.ts';
import type { RelayConnection } from './relay-access.ts';

/** What streams of the network are called at a relay. */
const streamName = 'libp2p/1';

/** Streams between clients of the relay at the other end of a link (`peer.open` and `peer.accept` of relay.proto). */
export class LinkRelayConnection implements RelayConnection {
  readonly peerId: PeerId;
  readonly #link: Link;

  constructor(peerId: PeerId, link: Link) {
    this.peerId = peerId;
    this.#link = link;
  }

  get isUp(): boolean {
    return this.#link.status.state === 'up';
  }

  async open(peer: PeerId, options: WaitOptions): Promise<ByteStream> {
    const publicKey = ed25519KeyOf(peer);
    if (publicKey === null)
      throw new Condition('no-address', 'a peer without an Ed25519 key has no address at a relay');
    const bytes = new LinkByteStream(await this.#link.open('peer.open', options));
    bytes.send(encodePeerOpen({ to: addressOfKey(publicKey), name: streamName }));
    return bytes;
  }

  serve(handler: (stream: ByteStream, from: PeerId) => void): Disposable {
    return this.#link.serve('peer.accept', (stream) => {
      const bytes: ByteStream = new LinkByteStream(stream, (first) => {
        const { name, from } = decodePeerOffer(first);
        if (name !== streamName) throw new Condition('peer-refused', 'streams of that name are not taken here');
        handler(bytes, peerIdOfEd25519(from));
      });
    });
  }

  onChange(handler: () => void): Disposable {
    let wasUp = this.isUp;
    return this.#link.onStatus(() => {
      if (this.isUp === wasUp) return;
      wasUp = this.isUp;
      handler();
    });
  }
}
