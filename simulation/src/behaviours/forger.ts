import type { Random } from '@pulsemesh/base';
import type { Descriptor, Message, NodeOutput } from '@pulsemesh/overlay/protocol';
import type { SimulatedNode } from '../network/node.ts';
import { Puppet } from './puppet.ts';

/**
 * Takes part honestly but for the descriptors it hands on: others' words about themselves are changed (addresses of its
 * own, versions that beat every true one, times that never end), or are true ones that no longer hold.
 */
export class Forger extends Puppet {
  readonly #random: Random;

  constructor(inner: SimulatedNode, random: Random) {
    super(inner);
    this.#random = random;
  }

  protected override altered(outputs: readonly NodeOutput[]): readonly NodeOutput[] {
    return outputs.map((output) =>
      output.kind === 'send' ? { ...output, message: this.#forged(output.message) } : output,
    );
  }

  #forged(message: Message): Message {
    if (message.kind !== 'view' && message.kind !== 'nearby' && message.kind !== 'ring') return message;
    return { ...message, descriptors: message.descriptors.map((descriptor) => this.#forge(descriptor)) };
  }

  #forge(descriptor: Descriptor): Descriptor {
    const forged = { ...descriptor, addresses: ['/ip4/203.0.113.66/tcp/666'] };
    switch (this.#random.integer(4)) {
      case 0:
        return forged;
      case 1:
        return { ...forged, version: Number.MAX_SAFE_INTEGER };
      case 2:
        return { ...forged, expiresAtSeconds: Number.MAX_SAFE_INTEGER, bytes: flipped(descriptor.bytes, this.#random) };
      default:
        return { ...descriptor, bytes: flipped(descriptor.bytes, this.#random) };
    }
  }
}

function flipped(bytes: Uint8Array, random: Random): Uint8Array {
  const changed = bytes.slice();
  const at = random.integer(changed.length);
  changed[at] = (changed[at] as number) ^ (1 << random.integer(8)); // below the length
  return changed;
}
