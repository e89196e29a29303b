import type { Clock, Logger } from '@pulsemesh/base';
import type { LinkSession } from '@pulsemesh/link';
import type { MailboxEngine } from '../engine.ts';
import type { Agent, Agents } from './agents.ts';
import type { RelayEvents } from './events.ts';
import type { RelayLimits } from './limits.ts';
import type { Storing } from './storing.ts';

/** What the relay's methods share. */
export interface RelayContext {
  readonly engine: MailboxEngine;
  readonly limits: RelayLimits;
  readonly events: RelayEvents;
  readonly storing: Storing;
  readonly agents: Agents;
  readonly clock: Clock;
  readonly logger: Logger;
  /** The engine failed: the relay stops. */
  readonly fail: (error: unknown) => void;
}

/** One session and whose it is. */
export interface AgentSession {
  readonly agent: Agent;
  readonly session: LinkSession;
  readonly context: RelayContext;
}
