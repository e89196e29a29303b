import type { Contender } from './contender.ts';
import { libp2pContender } from './libp2p-contender.ts';
import { nodeContender } from './node-contender.ts';

const contenders: Readonly<Record<string, Contender>> = {
  'node-tls': nodeContender('node:tls', false),
  'node-tls-mutual': nodeContender('node:tls, both with certificates', true),
  'stock-tls': libp2pContender('libp2p with @libp2p/tls', 'stock'),
  'native-full': libp2pContender('libp2p with nativeTls, full handshakes', 'full'),
  'native-resumed': libp2pContender('libp2p with nativeTls, resumed', 'resumed'),
};

export const contenderNames: readonly string[] = Object.keys(contenders);

export function contenderOf(name: string): Contender {
  const contender = contenders[name];
  if (contender === undefined) throw new Error(`there is no contender "${name}"`);
  return contender;
}
