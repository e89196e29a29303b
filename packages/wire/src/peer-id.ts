import type { Brand } from '@pulsemesh/base';

/** A libp2p peer id as text: `12D3KooW…` (Ed25519) or a legacy `Qm…`. */
export type PeerId = Brand<string, 'PeerId'>;
