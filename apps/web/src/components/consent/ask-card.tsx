import type { AskView, DraftView } from '@pulsemesh/node/api';
import { useState } from 'react';
import { formatPrice } from '../../consent/amount.ts';
import { useAct } from '../../consent/use-act.ts';
import { askStateWords, lengthWords, purposeWords, spanWords, vitalWords } from '../../consent/words.ts';
import { shortId } from '../../format.ts';
import { Moment } from '../small.tsx';
import { type Accepting, AcceptPanel } from './accept-panel.tsx';
import { CounterForm } from './counter-form.tsx';
import { ActButton, Problem, Term } from './parts.tsx';

/** What can be done with a request; each resolves when the home has it. */
export interface AskActions extends Accepting {
  readonly draft: (askId: string) => Promise<DraftView>;
  readonly refuse: (askId: string) => Promise<void>;
  readonly counter: (askId: string, price: string, note: string) => Promise<void>;
}

/** A request in plain words: who, what, why, how long, how much; and the three answers. */
export function AskCard(props: {
  readonly ask: AskView;
  readonly nowMs: number;
  readonly hasPasskey: boolean;
  readonly actions: AskActions;
}) {
  const { ask, nowMs, hasPasskey, actions } = props;
  const act = useAct();
  const [draft, setDraft] = useState<DraftView | null>(null);
  const [isCountering, setIsCountering] = useState(false);
  const titleId = `ask-${ask.askId}`;
  return (
    <article className="panel ask" aria-labelledby={titleId}>
      <div className="task-head">
        <h3 id={titleId}>
          <bdi>{ask.title}</bdi>
        </h3>
        <span className={ask.state === 'waiting' ? 'chip chip-live' : 'chip'}>{askStateWords[ask.state]}</span>
      </div>
      <AskTerms ask={ask} nowMs={nowMs} />
      {ask.state !== 'waiting' ? null : draft !== null ? (
        <AcceptPanel ask={ask} draft={draft} accepting={actions} onCancel={() => setDraft(null)} />
      ) : isCountering ? (
        <CounterForm
          price={ask.price}
          onSend={(price, note) => actions.counter(ask.askId, price, note)}
          onCancel={() => setIsCountering(false)}
        />
      ) : (
        <>
          {hasPasskey ? null : <p className="hint">To say yes, make a passkey first: see “Your passkey” below.</p>}
          <div className="form-actions">
            <ActButton
              act={act}
              name="draft"
              busyText="Preparing…"
              isDisabled={!hasPasskey}
              onPress={async () => setDraft(await actions.draft(ask.askId))}
            >
              See what I would sign
            </ActButton>
            <ActButton act={act} name="refuse" busyText="Saying no…" isQuiet onPress={() => actions.refuse(ask.askId)}>
              Say no
            </ActButton>
            <button
              type="button"
              className="button-quiet"
              disabled={act.busy !== null}
              onClick={() => setIsCountering(true)}
            >
              Name another compensation
            </button>
          </div>
          <p className="hint">
            Saying no tells nobody: it looks the same as if the request had never reached you. Nobody learns that you
            are among those who were asked unless you answer.
          </p>
        </>
      )}
      <Problem text={act.problem} />
    </article>
  );
}

function AskTerms({ ask, nowMs }: { readonly ask: AskView; readonly nowMs: number }) {
  return (
    <>
      <p className="explanation">
        <bdi>{ask.explanation}</bdi>
      </p>
      <dl className="terms">
        <Term name="Who asks">
          <bdi>{ask.organisation}</bdi> <span className="quiet-id">{shortId(ask.researcher)}</span>
          <br />
          {ask.isKnown ? (
            <span className="known">The board knows this key under this name</span>
          ) : (
            <strong className="unknown">
              The board does not know who this is: anybody could have written this name
            </strong>
          )}
        </Term>
        <Term name="What for">
          <bdi>{purposeWords(ask.purpose)}</bdi>
        </Term>
        <Term name="What they would read">{vitalWords(ask.vitals)}</Term>
        <Term name="Recorded when">{spanWords(ask.fromMs, ask.untilMs)}</Term>
        <Term name="How long they may read it">{lengthWords(ask.accessForMs)} from the day they have the key</Term>
        <Term name="Compensation for you">{formatPrice(ask.price)}</Term>
        <Term name="Answer until">
          <Moment ms={ask.expiresMs} nowMs={nowMs} />
        </Term>
      </dl>
    </>
  );
}
