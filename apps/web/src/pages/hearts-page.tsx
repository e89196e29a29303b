import type { AlertView, PatientView } from '@pulsemesh/node/api';
import { useState } from 'react';
import { RibbonLegend } from '../charts/score-ribbon.tsx';
import { PatientCard } from '../components/patient-card.tsx';
import { Disclaimer, Loading, Notice, PageTitle } from '../components/small.tsx';
import { formatPlural } from '../format.ts';
import { leadingAlert, needsAttention } from '../state/alert-order.ts';
import { freshness } from '../state/freshness.ts';
import { cardHistoryMs, useHistory, usePageState, useSecond, useTools, useWindows } from '../state/hooks.ts';
import { routeHref } from '../state/route.ts';

/** Cards drawn before the person asks for more. */
export const cardsShownFirst = 48;

/** The wall: every heart, those that need somebody first. */
export function HeartsPage() {
  const { patients, alerts, overview, loadError, connection } = usePageState();
  const { store } = useTools();
  const nowMs = useSecond();
  const [shownCount, setShownCount] = useState(cardsShownFirst);

  if (patients === null) {
    if (loadError === null || connection.kind === 'connecting') return <Loading what="hearts" />;
    return (
      <Notice title="The hearts could not be loaded." tone="problem">
        <p>{loadError}</p>
      </Notice>
    );
  }
  const list = orderPatients([...patients.values()], [...(alerts?.values() ?? [])]);
  const beating = list.filter((patient) => {
    const arrivalMs = store.latest(patient.subject)?.arrivalMs ?? patient.lastArrivalMs;
    return freshness(arrivalMs, nowMs).kind === 'live';
  }).length;
  // Cut off, the page cannot tell who is streaming.
  const howMany =
    connection.kind === 'live' || connection.kind === 'connecting'
      ? `${beating} of ${list.length} streaming now`
      : formatPlural(list.length, 'heart', 'hearts');
  return (
    <>
      <PageTitle aside={<p className="title-aside">{howMany}</p>}>Hearts</PageTitle>
      <Disclaimer text={overview?.disclaimer} />
      {list.length === 0 ? <NobodyYet /> : null}
      <div className="wall">
        {list.slice(0, shownCount).map((patient) => (
          <CardInPlace key={patient.subject} patient={patient} nowMs={nowMs} />
        ))}
      </div>
      {list.length > shownCount ? (
        <button
          type="button"
          className="button-quiet"
          onClick={() => setShownCount((count) => count + cardsShownFirst)}
        >
          Show {formatPlural(Math.min(cardsShownFirst, list.length - shownCount), 'more heart', 'more hearts')}
        </button>
      ) : null}
      {list.length > 0 ? <RibbonLegend /> : null}
    </>
  );
}

/** Joins a card with its live data, so that one heart's news renders one card. */
function CardInPlace({ patient, nowMs }: { readonly patient: PatientView; readonly nowMs: number }) {
  const { store } = useTools();
  const { alerts } = usePageState();
  const windows = useWindows(patient.subject);
  useHistory(patient.subject, cardHistoryMs);
  const latest = store.latest(patient.subject);
  return (
    <PatientCard
      patient={patient}
      latest={latest}
      freshness={freshness(latest?.arrivalMs ?? patient.lastArrivalMs, nowMs)}
      windows={windows}
      alert={leadingAlert(alerts?.values() ?? [], patient.subject)}
      store={store}
    />
  );
}

function NobodyYet() {
  return (
    <Notice title="No heart has been heard yet.">
      <p>
        A card appears here as soon as a wearable sends its first reading. You can{' '}
        <a href={routeHref({ page: 'person', subject: null })}>register a patient</a> before that.
      </p>
    </Notice>
  );
}

/** Those with an alert nobody has acknowledged come first; else by name, devices without one last. */
export function orderPatients(patients: readonly PatientView[], alerts: readonly AlertView[]): readonly PatientView[] {
  const urgent = new Set(alerts.filter(needsAttention).map((alert) => alert.subject));
  return patients.toSorted(
    (a, b) =>
      Number(urgent.has(b.subject)) - Number(urgent.has(a.subject)) ||
      Number(b.isRegistered) - Number(a.isRegistered) ||
      (a.name ?? a.userId).localeCompare(b.name ?? b.userId) ||
      a.subject.localeCompare(b.subject),
  );
}
