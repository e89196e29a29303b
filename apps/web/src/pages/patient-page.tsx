import type { AlertView, PatientView, WindowView } from '@pulsemesh/node/api';
import { useState } from 'react';
import { HeartTrace } from '../charts/heart-trace.tsx';
import { summariseBands } from '../charts/score-band.ts';
import { RibbonLegend, ScoreRibbon, windowMs } from '../charts/score-ribbon.tsx';
import { AlertList } from '../components/alert-list.tsx';
import { CurrentRate } from '../components/patient-card.tsx';
import { Disclaimer, Loading, Notice, PageTitle, PatientName, patientLabel } from '../components/small.tsx';
import { formatClock } from '../format.ts';
import { orderAlerts } from '../state/alert-order.ts';
import { freshness } from '../state/freshness.ts';
import { useHistory, usePageState, useSecond, useTools, useWindows } from '../state/hooks.ts';
import { routeHref } from '../state/route.ts';

const hourMs = 60 * 60_000;
const spans = [
  { seconds: 120, name: '2 min' },
  { seconds: 900, name: '15 min' },
  { seconds: 3_600, name: '1 h' },
] as const;

/** One patient: the trace, the last hour's windows, the alerts, who is told, the device. */
export function PatientPage({ subject }: { readonly subject: string }) {
  const { patients, alerts, overview } = usePageState();
  const { store } = useTools();
  const nowMs = useSecond();
  const windows = useWindows(subject);
  const { isLoading } = useHistory(subject, hourMs);
  const patient = patients?.get(subject);

  if (patients === null) return <Loading what="the patient" />;
  if (patient === undefined) {
    return (
      <Notice title="Nobody here has this address.">
        <p>
          <a href={routeHref({ page: 'hearts' })}>Back to all hearts</a>
        </p>
      </Notice>
    );
  }
  const latest = store.latest(subject);
  const own = orderAlerts(alerts?.values() ?? []).filter((alert) => alert.subject === subject);
  return (
    <>
      <p className="crumbs">
        <a href={routeHref({ page: 'hearts' })}>Hearts</a>
      </p>
      <PageTitle aside={<ConsentLink subject={subject} />}>
        <PatientName patient={patient} />
      </PageTitle>
      <Disclaimer text={overview?.disclaimer} />
      <section className="panel" aria-label="Heart rate">
        <CurrentRate latest={latest} freshness={freshness(latest?.arrivalMs ?? patient.lastArrivalMs, nowMs)} />
        <BigTrace patient={patient} />
      </section>
      <WindowsOfAnHour windows={windows} isLoading={isLoading} />
      <PatientAlerts alerts={own} />
      <WhoAndWhat patient={patient} />
    </>
  );
}

/** The way to who may read this, where this node is a home for consent; with what waits there. */
function ConsentLink({ subject }: { readonly subject: string }) {
  const { profile } = usePageState();
  if (profile?.kind !== 'home') return null;
  const waiting = profile.waiting.find((one) => one.subject === subject);
  const count = (waiting?.asks ?? 0) + (waiting?.alarms ?? 0);
  return (
    <a className="button-quiet" href={routeHref({ page: 'consent', subject })}>
      Consent and access
      {count === 0 ? null : (
        <span className="count">
          {count}
          <span className="visually-hidden"> wait for an answer</span>
        </span>
      )}
    </a>
  );
}

function BigTrace({ patient }: { readonly patient: PatientView }) {
  const { store } = useTools();
  const [seconds, setSeconds] = useState<number>(spans[0].seconds);
  const name = spans.find((span) => span.seconds === seconds)?.name ?? '';
  return (
    <>
      <fieldset className="switch">
        <legend className="visually-hidden">Length of the trace</legend>
        {spans.map((span) => (
          <label key={span.seconds}>
            <input
              type="radio"
              name="span"
              className="visually-hidden"
              checked={span.seconds === seconds}
              onChange={() => setSeconds(span.seconds)}
            />
            <span>{span.name}</span>
          </label>
        ))}
      </fieldset>
      <HeartTrace
        store={store}
        subject={patient.subject}
        spanSeconds={seconds}
        heightPx={260}
        axes="full"
        label={`Heart rate of ${patientLabel(patient)} in beats per minute over the last ${name}`}
      />
    </>
  );
}

const rowMs = 10 * 60_000;

function WindowsOfAnHour({
  windows,
  isLoading,
}: {
  readonly windows: readonly WindowView[];
  readonly isLoading: boolean;
}) {
  const newestMs = windows.at(-1)?.startMs;
  const rows =
    newestMs === undefined
      ? []
      : Array.from({ length: 6 }, (_, index) => Math.floor(newestMs / rowMs) * rowMs - (5 - index) * rowMs);
  const shown = rows.filter((fromMs) =>
    windows.some((window) => window.startMs >= fromMs && window.startMs < fromMs + rowMs),
  );
  return (
    <section className="panel" aria-labelledby="windows-title">
      <h2 id="windows-title">Ten-second windows of the last hour</h2>
      {shown.length === 0 ? (
        <p className="quiet">
          {isLoading ? 'Loading…' : 'None yet: a window closes a little after its ten seconds are over.'}
        </p>
      ) : (
        <>
          <p className="quiet">{summariseBands(windows)}</p>
          <ol className="ribbon-rows">
            {shown.map((fromMs) => (
              <li key={fromMs}>
                <span className="ribbon-time">{formatClock(fromMs)}</span>
                <ScoreRibbon
                  windows={windows}
                  places={rowMs / windowMs}
                  lastStartMs={fromMs + rowMs - windowMs}
                  spanLabel={`ten minutes from ${formatClock(fromMs)}`}
                />
              </li>
            ))}
          </ol>
        </>
      )}
      <RibbonLegend />
    </section>
  );
}

function PatientAlerts({ alerts }: { readonly alerts: readonly AlertView[] }) {
  return (
    <section aria-labelledby="patient-alerts-title">
      <h2 id="patient-alerts-title">Alerts</h2>
      {alerts.length === 0 ? (
        <p className="quiet">No alert for this patient.</p>
      ) : (
        <AlertList alerts={alerts} targetId={null} />
      )}
    </section>
  );
}

function WhoAndWhat({ patient }: { readonly patient: PatientView }) {
  const { patient: tellsPatient, doctor: tellsDoctor } = patient.tells;
  const told = [
    ...(tellsPatient ? [`the patient (${patient.email ?? 'no address'})`] : []),
    ...(tellsDoctor && patient.doctor !== null ? [`${patient.doctor.name} (${patient.doctor.email})`] : []),
  ];
  return (
    <section className="panel" aria-labelledby="who-title">
      <h2 id="who-title">Who is told, and the device</h2>
      <dl className="facts">
        <div>
          <dt>Told by mail</dt>
          <dd>
            <bdi>{told.length === 0 ? 'nobody' : told.join(', ')}</bdi>
          </dd>
        </div>
        <div>
          <dt>Device</dt>
          <dd>{patient.device.kind === 'replay' ? 'replays a recording' : 'worn now'}</dd>
        </div>
        <div>
          <dt>Device's user id</dt>
          <dd>
            <bdi className="id">{patient.userId}</bdi>
          </dd>
        </div>
      </dl>
      <a className="button-quiet" href={routeHref({ page: 'person', subject: patient.subject })}>
        {patient.isRegistered ? 'Change' : 'Register this device'}
      </a>
    </section>
  );
}
