import { type Clock, errorCode, type Logger, type Meter, type Random, startTicker } from '@pulsemesh/base';
import { type Box, hkdfSha256, hmacSha256 } from '@pulsemesh/crypto';
import type { Identity } from '@pulsemesh/identity';
import type { TableStore } from '@pulsemesh/store';
import { type ResearcherMailer, type ResearcherNoticeKind, startResearcherMailer } from '@pulsemesh/vitals/mail';
import { toHex } from '@pulsemesh/wire';
import type { GrantPhase, ResearchView } from '../api/consent-types.ts';
import type { NodeConfig } from '../config/node-config.ts';
import type { Secret } from '../config/secret.ts';
import { smtpOf } from '../config/smtp-of.ts';
import type { ResearchDesk } from '../gateway/consent-backend.ts';

export interface ResearcherMailOptions {
  readonly notify: { readonly email: string; readonly language: 'en' | 'de' | 'fr' };
  /** How the mail greets its reader. */
  readonly organisation: string;
  readonly smtp: NonNullable<NodeConfig['smtp']>;
  readonly password: Secret | null;
  readonly identity: Pick<Identity, 'nodeBoxKey'>;
  /** Pause after the first failure of the mail server, in milliseconds. Default 1,000. */
  readonly retryMs?: number;
}

export interface ResearcherMailDeps {
  readonly tables: TableStore;
  readonly box: Box;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly meter: Meter;
}

type WatchedOffice = Pick<ResearchDesk['office'], 'view' | 'onChange'>;

/** Looks at the office again so often, for what could not be kept before. */
const lookEveryMs = 15_000;

/**
 * Mails the researcher what happens in the office: each thing once, over restarts too. What was there before mails were first asked for is
 * not told. Dispose to stop.
 */
export function startResearcherMail(
  office: WatchedOffice,
  options: ResearcherMailOptions,
  deps: ResearcherMailDeps,
): AsyncDisposable {
  return new ResearcherMail(office, options, deps);
}

class ResearcherMail implements AsyncDisposable {
  readonly #office: WatchedOffice;
  readonly #options: ResearcherMailOptions;
  readonly #logger: Logger;
  readonly #mailer: ResearcherMailer;
  readonly #key: Uint8Array;
  readonly #stack = new AsyncDisposableStack();
  /** Of what the office shows now, that which is told: no more than it shows. Null: not looked yet. */
  #told: Map<string, string> | null = null;
  #toldIds = new Set<string>();
  #isWanted = false;
  #running: Promise<void> | null = null;
  #isStopped = false;

  constructor(office: WatchedOffice, options: ResearcherMailOptions, deps: ResearcherMailDeps) {
    this.#office = office;
    this.#options = options;
    this.#logger = deps.logger;
    this.#key = hkdfSha256({ key: options.identity.nodeBoxKey, info: 'pulsemesh/researcher-notice/1', length: 32 });
    const { smtp, password, retryMs } = options;
    this.#mailer = this.#stack.use(
      startResearcherMailer(
        {
          smtp: smtpOf(smtp, password),
          from: smtp.from,
          pageUrl: smtp.pageUrl,
          isStillTold: (noticeId) => this.#told === null || this.#toldIds.has(noticeId),
          ...(retryMs === undefined ? {} : { retryMs }),
        },
        deps,
      ),
    );
    this.#stack.defer(async () => {
      this.#isStopped = true;
      await this.#running;
    });
    this.#stack.use(office.onChange(() => this.#wake()));
    const ticker = startTicker(
      deps.clock,
      lookEveryMs,
      () => this.#wake(),
      () => {},
    );
    this.#stack.defer(() => ticker.stop());
    this.#wake();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync();
  }

  #wake(): void {
    this.#isWanted = true;
    this.#running ??= this.#run();
  }

  async #run(): Promise<void> {
    try {
      while (this.#isWanted && !this.#isStopped) {
        this.#isWanted = false;
        await this.#look();
      }
    } catch (error) {
      // The next look finds the same again.
      this.#logger.warn('a notice for the researcher waits', { code: errorCode(error) });
    } finally {
      this.#running = null;
    }
  }

  async #look(): Promise<void> {
    const { email, language } = this.#options.notify;
    const person = { name: this.#options.organisation, email, language };
    const isFirst = !this.#mailer.knows(this.#idOf(beginning));
    const told = new Map<string, string>([[beginning, this.#idOf(beginning)]]);
    for (const [what, kind] of newsOf(this.#office.view())) {
      if (this.#isStopped) return;
      const noticeId = this.#told?.get(what) ?? this.#idOf(what);
      if (this.#told?.has(what) !== true && !this.#mailer.knows(noticeId)) {
        await (isFirst ? this.#mailer.remember(noticeId) : this.#mailer.tell(noticeId, kind, person));
      }
      told.set(what, noticeId);
    }
    if (isFirst) await this.#mailer.remember(this.#idOf(beginning));
    this.#told = told;
    this.#toldIds = new Set(told.values());
  }

  /** Of the node's own secret: it stands in the mail, and must not lead from there to the ledger. */
  #idOf(what: string): string {
    return toHex(hmacSha256(this.#key, new TextEncoder().encode(what)).subarray(0, 16));
  }
}

/** That mails were asked for: what the office showed before is not news. */
const beginning = 'beginning';

const kindOfPhase: Readonly<Partial<Record<GrantPhase, ResearcherNoticeKind>>> = {
  active: 'released',
  revoked: 'withdrawn',
  refunded: 'refunded',
};

/** All that a researcher is told of an office as it is now, each under a name of its own. */
function* newsOf({ asks, grants }: ResearchView): Generator<readonly [what: string, kind: ResearcherNoticeKind]> {
  for (const { counters } of asks) {
    for (const { handle, price } of counters) yield [`countered/${handle}/${price.units}`, 'countered'];
  }
  for (const { grantId, phase } of grants) {
    yield [`offered/${grantId}`, 'offered'];
    const kind = kindOfPhase[phase];
    if (kind !== undefined) yield [`${kind}/${grantId}`, kind];
  }
}
