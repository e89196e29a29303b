export type { PeerId } from './peer-id.ts';
