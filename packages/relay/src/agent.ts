/** What an agent needs besides the client, for programs that have this package alone: the link to the relay, and who the agent is. */
export { type Identity, identityOfSeed } from '@pulsemesh/identity/identity';
export * from '@pulsemesh/link';
