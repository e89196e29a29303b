import type { PeerId } from '@pulsemesh/wire';

/** What the entries of each kind say. Times are milliseconds since 1970; hashes are SHA-256, 64 lower-case hex digits. */
export interface EntryBodies {
  readonly key: KeyBody;
  readonly task: TaskBody;
  readonly contract: ContractBody;
  readonly round: RoundBody;
  readonly model: ModelBody;
  readonly evaluation: EvaluationBody;
  readonly anchor: AnchorBody;
  readonly announcement: AnnouncementBody;
  readonly catalogue: CatalogueBody;
  readonly grant: GrantBody;
}

/** A key is enrolled or rotated by itself; revoked by itself or by an authority that the board names. */
export interface KeyBody {
  readonly action: 'enrol' | 'rotate' | 'revoke';
  readonly subject: PeerId;
  /** Under what name its holder wants to be known: an organisation, never a patient. */
  readonly name: string;
  /** The contact card as its holder signed it; absent in a revocation. */
  readonly card?: Uint8Array;
  /** Of a revocation. */
  readonly reason?: string;
}

/** What is to be learned, with whom, and under which conditions. Its entry's `id` names it. */
export interface TaskBody {
  readonly title: string;
  /** The purpose that patients' consents must name, as `research/rhythm`. */
  readonly purpose: string;
  readonly work: TrainingWork | SurveyWork;
  readonly query: { readonly name: string; readonly version: number; readonly columns: readonly string[] };
  /** Who may take part; empty: whoever enrolled a key. */
  readonly invited: readonly PeerId[];
  /** The party that sums, who may be any; null: the sites share and sum among themselves. */
  readonly aggregator: PeerId | null;
  readonly sitesMin: number;
  readonly sitesMax: number;
  readonly sum: SumTerms;
  /** Null: no noise. */
  readonly privacy: PrivacyTerms | null;
  readonly rounds: number;
  /** How long each step of a round waits for those who are late. */
  readonly stepMs: number;
  /** Nothing starts after it. */
  readonly deadlineMs: number;
  /** Of the program that sites run, as they check it themselves. */
  readonly codeHash: string;
}

export interface TrainingWork {
  readonly kind: 'training';
  readonly model: {
    /** `rhythm`: the network of the prediction role; `logistic`; else a model that every site brings itself. */
    readonly family: string;
    readonly inputs: number;
    readonly hidden: readonly number[];
    readonly parameters: number;
  };
  readonly algorithm: 'fedavg' | 'fedprox';
  /** FedProx's µ; 0 with FedAvg. */
  readonly proximal: number;
  readonly localEpochs: number;
  readonly batchSize: number;
  readonly learningRate: number;
  readonly weightDecay: number;
  readonly seed: number;
}

export interface SurveyWork {
  readonly kind: 'survey';
  readonly questions: readonly SurveyQuestion[];
}

export interface SurveyQuestion {
  readonly name: string;
  readonly column: string;
  readonly statistic: 'count' | 'mean' | 'histogram' | 'quantile';
  /** Values outside are clipped to it, and counted as clipped. */
  readonly low: number;
  readonly high: number;
  /** Of a histogram or quantile. */
  readonly bins?: number;
  /** 0 … 1, of `quantile`. */
  readonly quantiles?: readonly number[];
}

/** How values become whole numbers and how they are summed. */
export interface SumTerms {
  /** Each value is clipped to ±range. */
  readonly range: number;
  /** Steps per unit: the encoding is round(value × steps) modulo 2^32. */
  readonly steps: number;
  /** Each site masks with all others, or with this many neighbours (SecAgg+). */
  readonly neighbours: number | 'all';
  /** How many of a site's neighbours must answer for its round to be opened. */
  readonly threshold: number;
}

export interface PrivacyTerms {
  /** Over the whole task, per site. */
  readonly epsilonMax: number;
  readonly delta: number;
  /** Each site's (or patient's) vector is scaled to this L2 norm at most. */
  readonly normMax: number;
  /** Standard deviation of the sum's noise in units of `normMax`, with `sitesMin` honest sites. */
  readonly noiseMultiplier: number;
  /** What one unit of protection is. */
  readonly unit: 'site' | 'patient';
}

/** A site's yes to a task, with its own limits; or its leaving. */
export interface ContractBody {
  /** The task's entry. */
  readonly task: string;
  readonly action: 'sign' | 'leave';
  readonly limits?: { readonly epsilonMax: number | null; readonly roundsMax: number; readonly patientsMin: number };
  /** What the site will use: counts are rounded down to tens. */
  readonly data?: {
    readonly query: string;
    readonly queryVersion: number;
    readonly patients: number;
    readonly records: number;
    /** Merkle root of the consents that cover the purpose, salted: shows nobody. */
    readonly consentsHash: string;
  };
  readonly reason?: string;
}

/** A step of a round, by the aggregator, or by each site where there is none. */
export interface RoundBody {
  readonly task: string;
  /** From 1. */
  readonly round: number;
  /** From 1; a round that failed is tried again under the next number, with fresh keys. */
  readonly attempt: number;
  readonly step: RoundStep;
}

export type RoundStep =
  /** Who is asked, and the weights (or questions) the round starts from. */
  | {
      readonly name: 'opened';
      readonly sites: readonly PeerId[];
      readonly contracts: readonly string[];
      readonly input: string;
    }
  /** Everybody's round keys, as everybody must have seen them: hash of the sorted signed advertisements. */
  | { readonly name: 'keys'; readonly sites: readonly PeerId[]; readonly keysHash: string }
  /** Who sent a masked vector, and the hash of each: what is unmasked is what was sent, and only one set is ever unmasked. */
  | {
      readonly name: 'survivors';
      readonly survivors: readonly { readonly site: PeerId; readonly maskedHash: string }[];
    }
  | {
      readonly name: 'closed';
      readonly outcome: 'summed' | 'failed';
      /** Why it failed, one of the named reasons. */
      readonly reason?: string;
      /** Of the sum's bytes, and of the weights that follow from it. */
      readonly sumHash?: string;
      readonly output?: string;
      readonly sites?: number;
      /** Values that were clipped, over all sites. */
      readonly clipped?: number;
      /** How long each step took, milliseconds. */
      readonly durationsMs?: readonly number[];
      /** Spent with this round by each who took part, over the whole task; null without noise. */
      readonly epsilon?: number | null;
    };

/** A model that came out of a task. */
export interface ModelBody {
  readonly task: string;
  /** Of the weights' bytes. */
  readonly hash: string;
  readonly bytes: number;
  /** The weights (single precision, little endian), where they are at most 32 KiB. */
  readonly weights?: Uint8Array;
  readonly rounds: number;
  readonly sites: number;
  readonly epsilon: number | null;
}

/** How a model does at one site, by the site. */
export interface EvaluationBody {
  readonly task: string;
  readonly model: string;
  /** Area under the ROC curve, 0 … 1. */
  readonly auc: number;
  /** The model that the site runs now, on the same records; null: none. */
  readonly runningAuc: number | null;
  /** Rounded down to tens. */
  readonly patients: number;
}

/** The root of another log: consents, accesses. */
export interface AnchorBody {
  readonly about: 'consent' | 'access';
  readonly root: string;
  readonly count: number;
}

/** Free text for everybody. */
export interface AnnouncementBody {
  readonly title: string;
  readonly text: string;
}

/** What a home's patients would give to research, counted and without any of them. Of one author the latest counts. */
export interface CatalogueBody {
  readonly organisation: string;
  /** Small counts are left out, others rounded down. */
  readonly cohorts: readonly CatalogueCohort[];
  /** Makes an offer that returns to what it was an entry of its own. */
  readonly updatedMs: number;
}

export interface CatalogueCohort {
  /** Absent: does not matter. */
  readonly criteria: {
    readonly recordedHoursMin?: number;
    readonly irregular?: boolean;
    readonly input?: 'rr' | 'hr' | 'wrist';
  };
  readonly patients: number;
  readonly vitals: readonly ('readings' | 'windows' | 'predictions' | 'alerts')[];
}

/**
 * A step of a grant where a place has no chain. The board keeps it; whether offer and proof carry it is judged by those who read grants: their
 * signatures are of people who need no key on the board.
 */
export interface GrantBody {
  /** The offer's digest. */
  readonly grant: string;
  readonly step: 'purchase' | 'confirm' | 'refund' | 'revoke' | 'access';
  /** As the market encodes it. Empty where the step needs none. */
  readonly offer: Uint8Array;
  /** Signatures, of whoever may do the step. */
  readonly proof: Uint8Array;
}
