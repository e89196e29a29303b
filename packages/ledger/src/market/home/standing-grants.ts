import type { HomeHouse } from './home-means.ts';

/** A grant as learning's register of consents wants it: one purpose, one patient, one time. */
export interface StandingGrant {
  /** 64 lower-case hex digits. */
  readonly id: string;
  readonly patient: string;
  readonly purposes: readonly string[];
  readonly fromMs: number;
  readonly untilMs: number;
  /** Null while it stands. */
  readonly withdrawnMs: number | null;
}

const farMs = 8.64e15;

/** Grants for exactly this purpose that were taken up, in force from the patient's yes; who asks sorts out those that do not hold now. */
export function standingGrants({ desk }: HomeHouse, purpose: string): readonly StandingGrant[] {
  const grants: StandingGrant[] = [];
  for (const [grantId, grant] of desk.all('grant')) {
    const wasTakenUp = grant.status === 'active' || (grant.status === 'revoked' && grant.purchaseTransaction !== null);
    if (grant.purpose !== purpose || !wasTakenUp) continue;
    grants.push({
      id: grantId.slice(2),
      patient: grant.subject,
      purposes: [grant.purpose],
      fromMs: grant.offeredMs,
      untilMs: grant.deadline === 0 ? farMs : grant.deadline * 1000,
      withdrawnMs: grant.revokedMs,
    });
  }
  return grants;
}
