import type { LinkStream } from '@pulsemesh/link';
import type { InboxClaim } from '../engine.ts';
import { inboxIdOfToken } from '../inbox-id.ts';
import { type ClaimRequest, decodeClaimRequest, encodeClaimResponse } from '../wire/agents.ts';
import { relayWireLimits } from '../wire/limits.ts';
import type { AgentSession } from './context.ts';
import { MalformedError, TooManyStreamsError } from './errors.ts';

/** Serves `inbox.claim`: whoever shows the token owns the inbox. */
export async function serveClaim({ agent, context }: AgentSession, stream: LinkStream): Promise<void> {
  const message = await stream.receive();
  if (message === null) throw new MalformedError();
  const request = parse(message);
  const count = request.claims.length + request.release.length;
  // The engine takes claims one after the other, everybody's: no agent may fill that line.
  if (agent.claiming > 0 && agent.claiming + count > relayWireLimits.claimsMax) throw new TooManyStreamsError();
  agent.claiming += count;
  try {
    await stream.send(await claimAndRelease({ agent, context }, request));
    stream.end();
  } finally {
    agent.claiming -= count;
  }
}

async function claimAndRelease(
  { agent, context }: Pick<AgentSession, 'agent' | 'context'>,
  request: ClaimRequest,
): Promise<Uint8Array> {
  const { engine, clock, limits, events } = context;
  for (const inbox of request.release) {
    if (inbox !== agent.address) await engine.release(inbox, agent.address);
  }
  const nowMs = clock.now();
  const claims = request.claims.map(
    ({ token, forSeconds, takesStreams }): InboxClaim => ({
      inbox: inboxIdOfToken(token),
      owner: agent.address,
      untilMs: nowMs + Math.min(forSeconds * 1000, limits.claimMsMax),
      takesStreams,
    }),
  );
  const outcomes = claims.length === 0 ? [] : await engine.claim(claims);
  const results = claims.map(({ inbox }, index) => {
    const outcome = outcomes[index] ?? 'relay-full';
    events.claim(outcome);
    return { inbox, code: outcome === 'claimed' ? '' : outcome };
  });
  return encodeClaimResponse(results);
}

function parse(message: Uint8Array) {
  try {
    return decodeClaimRequest(message);
  } catch (error) {
    throw new MalformedError(error);
  }
}

/** Prolongs the agent's claim of its own address, once half of it has gone by. */
export async function claimAddress({ agent, context }: AgentSession): Promise<void> {
  const { engine, clock, limits } = context;
  const { address } = agent;
  const nowMs = clock.now();
  const claim = await engine.claimOf(address);
  if (claim !== null && claim.owner === address && claim.untilMs - nowMs > limits.addressClaimMs / 2) return;
  const untilMs = nowMs + limits.addressClaimMs;
  const [outcome] = await engine.claim([{ inbox: address, owner: address, untilMs, takesStreams: true }]);
  context.events.claim(outcome ?? 'relay-full');
}
