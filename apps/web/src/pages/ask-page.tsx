import type { CatalogueEntryView, LedgerView, ResearchView } from '@pulsemesh/node/api';
import { useState } from 'react';
import { AskForm } from '../components/research/ask-form.tsx';
import { Moment, Notice } from '../components/small.tsx';
import { type AskTarget, emptyAsk } from '../consent/ask-form.ts';
import { researchOf } from '../consent/consent-api.ts';
import { payersOf } from '../consent/payers.ts';
import { criteriaWords, vitalWords } from '../consent/words.ts';
import { formatCount, shortId } from '../format.ts';
import { useSecond, useTools } from '../state/hooks.ts';
import { routeHref } from '../state/route.ts';

/** What is offered, without identities, and the form of a request. */
export function AskPage(props: {
  readonly view: ResearchView;
  readonly reload: () => void;
  readonly ledger: LedgerView | null;
}) {
  const { view, reload, ledger } = props;
  const { client } = useTools();
  const nowMs = useSecond();
  const [target, setTarget] = useState<(AskTarget & { readonly words: string }) | null>(null);
  const [isSent, setIsSent] = useState(false);
  const payers = payersOf(view);
  if (target !== null) {
    const { words, ...to } = target;
    return (
      <>
        <p className="lead">{words}</p>
        <AskForm
          initial={emptyAsk(nowMs, payers[0]?.account ?? '')}
          target={to}
          payers={payers}
          symbol={ledger?.symbol ?? 'units'}
          decimals={ledger?.decimals ?? 0}
          onAsk={async (request) => {
            await researchOf(client).ask(request);
            setTarget(null);
            setIsSent(true);
            reload();
          }}
          onCancel={() => setTarget(null)}
        />
      </>
    );
  }
  return (
    <>
      <p className="lead">
        Homes say how many of their patients match and may be asked; never who. Small groups are left out and counts are
        rounded down. A request reaches those who match, on their own node, and who stays silent stays unknown.
      </p>
      {isSent ? (
        <div className="receipt is-good" role="status">
          <p className="receipt-title">The request was sent.</p>
          <p>
            Answers appear under <a href={routeHref({ page: 'research' })}>Research</a>, as patients give them.
          </p>
        </div>
      ) : null}
      {view.catalogue.length === 0 ? (
        <Notice title="Nobody offers anything yet.">
          <p>Homes publish on the board what may be asked for. This page shows it as soon as one does.</p>
        </Notice>
      ) : (
        <ul className="task-list">
          {view.catalogue.map((entry) => (
            <li key={entry.home}>
              <HomeCard
                entry={entry}
                nowMs={nowMs}
                onAsk={(next) => {
                  setIsSent(false);
                  setTarget(next);
                }}
              />
            </li>
          ))}
        </ul>
      )}
    </>
  );
}

function HomeCard(props: {
  readonly entry: CatalogueEntryView;
  readonly nowMs: number;
  readonly onAsk: (target: AskTarget & { readonly words: string }) => void;
}) {
  const { entry, nowMs, onAsk } = props;
  const titleId = `home-${entry.home}`;
  return (
    <article className="panel" aria-labelledby={titleId}>
      <div className="task-head">
        <h2 id={titleId}>
          <bdi>{entry.organisation}</bdi>{' '}
          <span className="quiet-id" title={entry.home}>
            {shortId(entry.home)}
          </span>
        </h2>
        <span className="quiet">
          as of <Moment ms={entry.updatedMs} nowMs={nowMs} />
        </span>
      </div>
      <ul className="task-list">
        {entry.cohorts.map((cohort) => {
          const words = criteriaWords(cohort.criteria);
          return (
            <li key={JSON.stringify(cohort.criteria)} className="sheet">
              <p>
                <strong>At least {formatCount(cohort.patients)} patients</strong>: {words}
              </p>
              <p className="quiet">{vitalWords(cohort.vitals)}</p>
              <button
                type="button"
                className="button"
                onClick={() =>
                  onAsk({
                    home: entry.home,
                    criteria: cohort.criteria,
                    words: `To patients of ${entry.organisation}: ${words}.`,
                  })
                }
              >
                Ask them<span className="visually-hidden">: {words}</span>
              </button>
            </li>
          );
        })}
      </ul>
    </article>
  );
}
