import type { AskRequest, ResearchView } from '@pulsemesh/node/api';
import { useState } from 'react';
import { formatPrice } from '../../consent/amount.ts';
import { askAgain } from '../../consent/ask-form.ts';
import { lengthWords, purposeWords, spanWords, vitalWords } from '../../consent/words.ts';
import { formatPlural } from '../../format.ts';
import { Term } from '../consent/parts.tsx';
import { Moment } from '../small.tsx';
import { AskForm, type Payer } from './ask-form.tsx';

type Ask = ResearchView['asks'][number];

/** What was asked, and what came back: yeses by number, other amounts without names. */
export function MyAsks(props: {
  readonly asks: readonly Ask[];
  readonly payers: readonly Payer[];
  readonly nowMs: number;
  readonly onAsk: (request: AskRequest) => Promise<void>;
}) {
  return (
    <ul className="task-list">
      {props.asks.map((ask) => (
        <li key={ask.askId}>
          <MyAsk {...props} ask={ask} />
        </li>
      ))}
    </ul>
  );
}

function MyAsk(props: {
  readonly ask: Ask;
  readonly payers: readonly Payer[];
  readonly nowMs: number;
  readonly onAsk: (request: AskRequest) => Promise<void>;
}) {
  const { ask, payers, nowMs, onAsk } = props;
  const [again, setAgain] = useState<Ask['counters'][number] | null>(null);
  const titleId = `my-${ask.askId}`;
  const { symbol, decimals } = ask.price;
  return (
    <article className="panel" aria-labelledby={titleId}>
      <div className="task-head">
        <h3 id={titleId}>
          <bdi>{ask.title}</bdi>
        </h3>
        <span className={ask.offers === 0 ? 'chip' : 'chip chip-good'}>{formatPlural(ask.offers, 'yes', 'yeses')}</span>
      </div>
      <p className="quiet">
        {purposeWords(ask.purpose)}; {vitalWords(ask.vitals)}; recorded {spanWords(ask.fromMs, ask.untilMs)}; readable
        for {lengthWords(ask.accessForMs)}; {formatPrice(ask.price)}.
      </p>
      <dl className="facts">
        <Term name="Asked">
          <Moment ms={ask.askedMs} nowMs={nowMs} />
        </Term>
        <Term name={ask.expiresMs > nowMs ? 'Open until' : 'Ended'}>
          <Moment ms={ask.expiresMs} nowMs={nowMs} />
        </Term>
      </dl>
      {ask.offers === 0 && ask.counters.length === 0 && ask.expiresMs > nowMs ? (
        <p className="hint">Nobody has answered yet. Who does not answer stays unknown, also to this office.</p>
      ) : null}
      {ask.counters.map((counter) => (
        <div key={counter.handle} className="sheet">
          <p>
            Somebody would, for <strong>{formatPrice(counter.price)}</strong>
            {counter.note === '' ? '.' : ': '}
            <bdi>{counter.note}</bdi>
          </p>
          {again !== null ? null : (
            <button type="button" className="button-quiet" onClick={() => setAgain(counter)}>
              Ask again for {formatPrice(counter.price)}
            </button>
          )}
        </div>
      ))}
      {again === null ? null : (
        <AskForm
          initial={askAgain(ask, again.price, payers[0]?.account ?? '')}
          target={{ home: ask.home, handle: again.handle }}
          payers={payers}
          symbol={symbol}
          decimals={decimals}
          onAsk={async (request) => {
            await onAsk(request);
            setAgain(null);
          }}
          onCancel={() => setAgain(null)}
        />
      )}
    </article>
  );
}
