import type { AskRequest, Hex } from '@pulsemesh/node/api';
import { type FormEvent, useId, useRef, useState } from 'react';
import { type AskDraft, type AskErrors, type AskTarget, askCharsMax, checkAsk } from '../../consent/ask-form.ts';
import { useAct } from '../../consent/use-act.ts';
import { vitalChoices } from '../../consent/words.ts';
import { shortId } from '../../format.ts';
import { Line, Problem } from '../consent/parts.tsx';

export interface Payer {
  readonly account: Hex;
  /** `office`: its own signer; `wallet`: one that was bound to it. */
  readonly kind: 'office' | 'wallet';
}

/** Asks patients: what for, which data, from when, for how long, for how much. */
export function AskForm(props: {
  readonly initial: AskDraft;
  readonly target: AskTarget;
  readonly payers: readonly Payer[];
  readonly symbol: string;
  readonly decimals: number;
  readonly onAsk: (request: AskRequest) => Promise<void>;
  readonly onCancel: () => void;
}) {
  const { initial, target, symbol, decimals, onAsk, onCancel } = props;
  const [draft, setDraft] = useState(initial);
  const [errors, setErrors] = useState<AskErrors>({});
  const formRef = useRef<HTMLFormElement>(null);
  const act = useAct();
  const change = <Key extends keyof AskDraft>(key: Key, value: AskDraft[Key]) =>
    setDraft((before) => ({ ...before, [key]: value }));

  const submit = (event: FormEvent) => {
    event.preventDefault();
    const checked = checkAsk(draft, target, decimals);
    setErrors(checked.kind === 'invalid' ? checked.errors : {});
    if (checked.kind === 'valid') return void act.run('ask', () => onAsk(checked.request));
    const first = Object.keys(checked.errors)[0];
    formRef.current?.querySelector<HTMLElement>(`[name="${first}"]`)?.focus();
  };
  const line = (name: 'title' | 'purpose' | 'fromDay' | 'untilDay' | 'accessDays' | 'validDays' | 'price') => ({
    name,
    value: draft[name],
    error: errors[name],
    onChange: (value: string) => change(name, value),
  });
  return (
    <form className="panel form" ref={formRef} onSubmit={submit} noValidate aria-label="Request">
      <WhatAndWhy draft={draft} errors={errors} change={change} line={line} />
      <VitalsField draft={draft} error={errors.vitals} onChange={(vitals) => change('vitals', vitals)} />
      <fieldset className="two-columns">
        <legend>From when, for how long</legend>
        <Line label="First day of recording" type="date" charsMax={10} {...line('fromDay')} />
        <Line label="Last day of recording" type="date" charsMax={10} {...line('untilDay')} />
        <Line label="Days during which you may read" charsMax={5} {...line('accessDays')} />
        <Line label="Days until this request ends" charsMax={5} {...line('validDays')} />
      </fieldset>
      <fieldset>
        <legend>Compensation</legend>
        <Line
          label={`For each patient, in ${symbol}`}
          hint="0 is customary. Patients may name another amount."
          charsMax={40}
          {...line('price')}
        />
        <PayerField
          {...props}
          value={draft.account}
          error={errors.account}
          onChange={(value) => change('account', value)}
        />
      </fieldset>
      <div className="form-actions">
        <button type="submit" className="button" disabled={act.busy !== null}>
          {act.busy === null ? 'Send the request' : 'Sending…'}
        </button>
        <button type="button" className="button-quiet" disabled={act.busy !== null} onClick={onCancel}>
          Back
        </button>
      </div>
      <Problem text={act.problem} />
    </form>
  );
}

type LineOf = (name: 'title' | 'purpose') => {
  readonly name: string;
  readonly value: string;
  readonly error: string | undefined;
  readonly onChange: (value: string) => void;
};

function WhatAndWhy(props: {
  readonly draft: AskDraft;
  readonly errors: AskErrors;
  readonly change: (key: 'explanation', value: string) => void;
  readonly line: LineOf;
}) {
  const { draft, errors, change, line } = props;
  return (
    <fieldset>
      <legend>What and why</legend>
      <Line label="Title" charsMax={askCharsMax.title} {...line('title')} />
      <Line
        label="Purpose"
        hint="Part of what is signed: what you read may be used for this and nothing else."
        charsMax={askCharsMax.purpose}
        {...line('purpose')}
      />
      <Line
        label="In plain words, for patients"
        hint="What for, who gains, how long it is kept, who sees it."
        name="explanation"
        value={draft.explanation}
        error={errors.explanation}
        charsMax={askCharsMax.explanation}
        rows={5}
        onChange={(value) => change('explanation', value)}
      />
    </fieldset>
  );
}

function VitalsField(props: {
  readonly draft: AskDraft;
  readonly error: string | undefined;
  readonly onChange: (vitals: AskDraft['vitals']) => void;
}) {
  const { draft, error, onChange } = props;
  return (
    <fieldset>
      <legend>Which data</legend>
      <div className="choice-list">
        {vitalChoices.map(({ kind, name }) => (
          <label key={kind} className="tick">
            <input
              type="checkbox"
              name="vitals"
              checked={draft.vitals.includes(kind)}
              onChange={(event) =>
                onChange(
                  event.target.checked ? [...draft.vitals, kind] : draft.vitals.filter((other) => other !== kind),
                )
              }
            />
            <span>{name}</span>
          </label>
        ))}
      </div>
      {error === undefined ? null : (
        <p className="problem" role="alert">
          {error}
        </p>
      )}
    </fieldset>
  );
}

function PayerField(props: {
  readonly payers: readonly Payer[];
  readonly value: Hex | '';
  readonly error: string | undefined;
  readonly onChange: (account: Hex | '') => void;
}) {
  const { payers, value, error, onChange } = props;
  const id = useId();
  return (
    <div className="field">
      <label htmlFor={id}>Who pays</label>
      <select
        id={id}
        name="account"
        value={value}
        aria-invalid={error !== undefined}
        onChange={(event) => onChange(payers.find(({ account }) => account === event.target.value)?.account ?? '')}
      >
        <option value="">choose…</option>
        {payers.map(({ account, kind }) => (
          <option key={account} value={account}>
            {kind === 'office' ? 'the office’s own account' : 'a bound wallet'} {shortId(account)}
          </option>
        ))}
      </select>
      {error === undefined ? null : <p className="problem">{error}</p>}
    </div>
  );
}
