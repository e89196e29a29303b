import { Condition } from '@pulsemesh/base';
import type { HomeOffice, ResearchOffice } from '@pulsemesh/ledger';
import type { AuditView, EmergencyInput, Hex, LeavesView, LiveEvent, ProfileView, VitalKind } from '../api/types.ts';

/** This node has no office of that kind. Not retryable. */
export class NotHereError extends Condition {
  override readonly name = 'NotHereError';
  constructor(what: 'home' | 'research' | 'audit' | 'chain') {
    super('not-here', notHereTexts[what], { facts: { what } });
  }
}

const notHereTexts = {
  home: "this node keeps no patients' consent: it has no settings for it",
  research: 'this node is no researcher’s office: it has not the role research',
  audit: 'this node follows no ledger',
  chain: 'this node follows no chain',
} as const;

/** The office is not open yet: it waits for the ledger or the board. Retryable. */
export class OfficeStartingError extends Condition {
  override readonly name = 'OfficeStartingError';
  constructor(cause: unknown) {
    super('office-starting', 'the office is not open yet: it waits for its ledger and its board', {
      retryable: true,
      ...(cause === null ? {} : { cause }),
    });
  }
}

export type ExportFormat = 'fhir' | 'csv';

/** A file for whoever asked. */
export interface Download {
  readonly fileName: string;
  readonly contentType: string;
  readonly body: string;
}

/** A span of recording time, milliseconds since 1970; null ends are those of the grant. */
export interface ExportSpan {
  readonly fromMs: number | null;
  readonly untilMs: number | null;
}

/** What the patients' side serves beside its office. */
export interface HomeDesk {
  readonly office: HomeOffice;
  /** @throws {NotFoundError} for a subject that is no patient of this home. */
  assertPatient(subject: string): void;
  /** The patient's own data, of one grant's interval or of the last day, with the receipts of who read them. */
  exported(subject: string, grantId: Hex | null, format: ExportFormat): Promise<Download>;
  /**
   * The patient's last day for whoever helps now: given once a custodian has written down who asks and why, and the patient is being
   * told. @throws {EmergencyNotLoggedError}.
   */
  inEmergency(subject: string, emergency: EmergencyInput, format: ExportFormat): Promise<Download>;
}

/** What the researcher's side serves beside its office. */
export interface ResearchDesk {
  readonly office: ResearchOffice;
  /** Reads under a grant, which is logged, and gives what came. */
  data(grantId: Hex, vital: VitalKind | null, span: ExportSpan, format: ExportFormat): Promise<Download>;
}

/** What of the HTTP API is about consent. */
export interface ConsentBackend {
  profile(): ProfileView;
  /** @throws {NotHereError}; {OfficeStartingError}. */
  home(): HomeDesk;
  /** @throws {NotHereError}; {OfficeStartingError}. */
  research(): ResearchDesk;
  /** @throws {NotHereError}. */
  audit(): Promise<AuditView>;
  /** @throws {NotHereError}; {NotFoundError}; what asking the custodian throws. */
  leaves(peer: string, from: number): Promise<LeavesView>;
  /** JSON-RPC in, JSON-RPC out. @throws {NotHereError}. */
  rpc(body: unknown): Promise<unknown>;
  /** Calls back with `consent` and `ledger` events. */
  subscribe(handler: (event: LiveEvent) => void): Disposable;
}

/** A node without consent, ledger and research. */
export const noConsent: ConsentBackend = {
  profile: () => ({ kind: 'network', ledger: null, organisation: null, waiting: [] }),
  home() {
    throw new NotHereError('home');
  },
  research() {
    throw new NotHereError('research');
  },
  async audit() {
    throw new NotHereError('audit');
  },
  async leaves() {
    throw new NotHereError('audit');
  },
  async rpc() {
    throw new NotHereError('chain');
  },
  subscribe: () => ({ [Symbol.dispose]() {} }),
};
