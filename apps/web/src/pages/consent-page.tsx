import type { GrantView, PatientConsentView } from '@pulsemesh/node/api';
import { type ReactNode, useCallback, useMemo } from 'react';
import { AccessTable, Alarms } from '../components/consent/access-table.tsx';
import { type AskActions, AskCard } from '../components/consent/ask-card.tsx';
import { ChoicesPanel, PasskeyPanel } from '../components/consent/choices.tsx';
import { Earnings } from '../components/consent/earnings.tsx';
import { type GrantActions, GrantCard } from '../components/consent/grant-card.tsx';
import { LedgerNote, Problem } from '../components/consent/parts.tsx';
import { Disclaimer, Loading, Notice, PageTitle, PatientName } from '../components/small.tsx';
import { consentOf } from '../consent/consent-api.ts';
import { patientActions } from '../consent/patient-actions.ts';
import { useAccessChecks, useCheckedAudit } from '../consent/use-checks.ts';
import { type Loaded, useLoaded } from '../consent/use-loaded.ts';
import { formatCount } from '../format.ts';
import { usePageState, useSecond, useTools } from '../state/hooks.ts';
import { routeHref } from '../state/route.ts';

/** One patient's consent: what is asked, what was agreed, who read what, what was earned, and the passkey that says yes. */
export function ConsentPage({ subject }: { readonly subject: string }) {
  const { client } = useTools();
  const { patients, profile, overview } = usePageState();
  const load = useCallback((signal: AbortSignal) => consentOf(client, subject).view(signal), [client, subject]);
  const consent = useLoaded(load);
  const patient = patients?.get(subject);
  return (
    <>
      <p className="crumbs">
        <a href={routeHref({ page: 'consents' })}>Consent</a>
      </p>
      <PageTitle
        aside={patient === undefined ? null : <a href={routeHref({ page: 'patient', subject })}>To the heart itself</a>}
      >
        Consent and access{patient === undefined ? null : ': '}
        {patient === undefined ? null : <PatientName patient={patient} />}
      </PageTitle>
      <Disclaimer text={overview?.disclaimer} />
      {profile === null ? null : <LedgerNote ledger={profile.ledger} />}
      <LoadProblem loaded={consent} what="consent" />
      {consent.value === null ? null : <Everything subject={subject} view={consent.value} loaded={consent} />}
    </>
  );
}

/** That something could not be loaded, or not anew. */
export function LoadProblem<T>({ loaded, what }: { readonly loaded: Loaded<T>; readonly what: string }) {
  if (loaded.problem === null) return loaded.value === null ? <Loading what={what} /> : null;
  return (
    <Notice title={loaded.value === null ? 'This could not be loaded.' : 'What is shown may be old.'} tone="problem">
      <p>{loaded.problem}</p>
      <button type="button" className="button-quiet" onClick={loaded.reload}>
        Try again
      </button>
    </Notice>
  );
}

function Everything(props: {
  readonly subject: string;
  readonly view: PatientConsentView;
  readonly loaded: Loaded<PatientConsentView>;
}) {
  const { subject, view, loaded } = props;
  const { client, store } = useTools();
  const nowMs = useSecond();
  const { put, reload } = loaded;
  const credentialId = view.passkey?.credentialId ?? null;
  const actions = useMemo(
    () => patientActions({ client, subject, credentialId, put, reload, nowMs: () => store.nowMs() }),
    [client, subject, credentialId, put, reload, store],
  );
  const checked = useCheckedAudit();
  const checks = useAccessChecks(view.accesses, checked);
  const refused = [...checks.values()].filter(({ kind }) => kind === 'refused').length;
  return (
    <>
      <Alarms alarms={view.alarms} nowMs={nowMs} />
      {refused === 0 ? null : (
        <Notice title="Some entries of the access log prove nothing." tone="problem">
          <p>
            {formatCount(refused)} of {formatCount(view.accesses.length)} lines below could not be confirmed by this
            browser; each says why. A custodian or this node shows something that does not hold. Tell the operator.
          </p>
        </Notice>
      )}
      <Asks view={view} nowMs={nowMs} actions={actions.asks} />
      <Grants grants={view.grants} nowMs={nowMs} actions={actions.grants} />
      <Part id="accesses" title="Who read what, and when">
        <Problem text={checked.audit.problem === null ? null : `Not checked: ${checked.audit.problem}`} />
        {view.accesses.length === 0 ? (
          <p className="quiet">Nobody has read anything, and nobody has tried.</p>
        ) : (
          <>
            <p className="quiet">
              Each line comes with a receipt that the custodian signed. This browser checks the signatures, and that the
              line stands in the custodian’s public log and under the roots on ledger and board.
            </p>
            <AccessTable accesses={view.accesses} checks={checks} nowMs={nowMs} caption="Who read what, newest first" />
          </>
        )}
      </Part>
      <Part id="earned" title="What you were paid">
        <Earnings earnings={view.earnings} grants={view.grants} onWithdraw={actions.withdraw} />
      </Part>
      <PasskeyPanel passkey={view.passkey} nowMs={nowMs} actions={actions.choices} />
      <ChoicesPanel isAskable={view.isAskable} actions={actions.choices} />
    </>
  );
}

function Part(props: { readonly id: string; readonly title: string; readonly children: ReactNode }) {
  return (
    <section aria-labelledby={`${props.id}-title`}>
      <h2 id={`${props.id}-title`}>{props.title}</h2>
      {props.children}
    </section>
  );
}

function Asks(props: { readonly view: PatientConsentView; readonly nowMs: number; readonly actions: AskActions }) {
  const { view, nowMs, actions } = props;
  const waiting = view.asks.filter(({ state }) => state === 'waiting');
  const answered = view.asks.filter(({ state }) => state !== 'waiting');
  const cards = (asks: PatientConsentView['asks']) => (
    <ul className="task-list">
      {asks.map((ask) => (
        <li key={ask.askId}>
          <AskCard ask={ask} nowMs={nowMs} hasPasskey={view.passkey !== null} actions={actions} />
        </li>
      ))}
    </ul>
  );
  return (
    <Part id="asks" title={`Requests that wait for you (${formatCount(waiting.length)})`}>
      {waiting.length === 0 ? (
        <p className="quiet">
          None.{view.isAskable ? '' : ' Researchers may not ask you: the switch for it is below, under “Your choices”.'}
        </p>
      ) : (
        cards(waiting)
      )}
      {answered.length === 0 ? null : (
        <details className="raw">
          <summary>Answered or over ({formatCount(answered.length)})</summary>
          {cards(answered)}
        </details>
      )}
    </Part>
  );
}

function Grants(props: {
  readonly grants: readonly GrantView[];
  readonly nowMs: number;
  readonly actions: GrantActions;
}) {
  const { grants, nowMs, actions } = props;
  return (
    <Part id="grants" title="What you agreed to">
      {grants.length === 0 ? (
        <p className="quiet">Nothing. Your care team’s own access for treatment is not part of this list.</p>
      ) : (
        <ul className="task-list">
          {grants.map((grant) => (
            <li key={grant.grantId}>
              <GrantCard grant={grant} nowMs={nowMs} actions={actions} />
            </li>
          ))}
        </ul>
      )}
    </Part>
  );
}
