import type { PeerId } from '@pulsemesh/wire';
import type { AuthorityRole } from './limits.ts';
import type { AgentRecord } from './records.ts';

/** One agent, as an operator sees it. */
export interface AgentView {
  readonly peer: PeerId;
  readonly organisation: string;
  readonly role: AuthorityRole;
  readonly enrolledMs: number;
  readonly revoked: { readonly atMs: number; readonly reason: string } | null;
  /** When its latest certificate ends; null: it never had one. */
  readonly notAfterMs: number | null;
}

/** What the books say of an agent. */
export function viewOf(peer: PeerId, { organisation, role, enrolledMs, revoked, held }: AgentRecord): AgentView {
  return { peer, organisation, role, enrolledMs, revoked, notAfterMs: held.at(-1)?.notAfterMs ?? null };
}
