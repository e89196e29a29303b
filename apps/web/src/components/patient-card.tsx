import type { AlertView, PatientView, WindowView } from '@pulsemesh/node/api';
import { HeartTrace } from '../charts/heart-trace.tsx';
import { bandNames, scoreBand } from '../charts/score-band.ts';
import { ScoreRibbon } from '../charts/score-ribbon.tsx';
import { formatTime } from '../format.ts';
import { needsAttention } from '../state/alert-order.ts';
import type { Freshness } from '../state/freshness.ts';
import type { Latest, PageStore } from '../state/page-store.ts';
import { routeHref } from '../state/route.ts';
import { PatientName, patientLabel } from './small.tsx';

/** What a card shows of the past. */
export const cardTraceSeconds = 120;
export const cardWindows = 30;

export interface PatientCardProps {
  readonly patient: PatientView;
  readonly latest: Latest | null;
  readonly freshness: Freshness;
  readonly windows: readonly WindowView[];
  /** The alert to speak of, or null. */
  readonly alert: AlertView | null;
  readonly store: Pick<PageStore, 'samples' | 'subscribe'>;
}

/** One heart on the wall. */
export function PatientCard({ patient, latest, freshness, windows, alert, store }: PatientCardProps) {
  const isUrgent = alert !== null && needsAttention(alert);
  const titleId = `patient-${patient.subject}`;
  return (
    <article className={`card card-${freshness.kind} ${isUrgent ? 'card-urgent' : ''}`} aria-labelledby={titleId}>
      <header className="card-head">
        <h2 id={titleId}>
          <a className="card-link" href={routeHref({ page: 'patient', subject: patient.subject })}>
            <PatientName patient={patient} />
          </a>
        </h2>
        <AlertBadge alert={alert} />
      </header>
      <CurrentRate latest={latest} freshness={freshness} />
      <HeartTrace
        store={store}
        subject={patient.subject}
        spanSeconds={cardTraceSeconds}
        heightPx={96}
        axes="quiet"
        label={`Heart rate of ${patientLabel(patient)} over the last two minutes`}
      />
      <ScoreRibbon windows={windows} places={cardWindows} spanLabel="last five minutes" />
      <p className="card-foot">
        <span>last 5 min</span>
        <span>{newestBand(windows)}</span>
      </p>
    </article>
  );
}

/** The present rate with the time it was measured, or why there is none. */
export function CurrentRate(props: { readonly latest: Latest | null; readonly freshness: Freshness }) {
  const { latest, freshness } = props;
  return (
    <div className="rate">
      <p className="rate-value">
        <strong>{latest === null ? '––' : Math.round(latest.heartRateBpm)}</strong>{' '}
        <span className="rate-unit">bpm</span>
      </p>
      <p className="rate-when">
        {latest === null ? null : (
          <span>
            measured <time dateTime={new Date(latest.tMs).toISOString()}>{formatTime(latest.tMs)}</time>
          </span>
        )}
        {freshness.kind === 'live' ? null : <span className="rate-stale">{freshness.text}</span>}
      </p>
    </div>
  );
}

function AlertBadge({ alert }: { readonly alert: AlertView | null }) {
  if (alert === null) return null;
  return needsAttention(alert) ? (
    <span className="badge badge-alert">Irregular rhythm</span>
  ) : (
    <span className="badge badge-quiet">Irregular, acknowledged</span>
  );
}

function newestBand(windows: readonly WindowView[]): string {
  const newest = windows.findLast((window) => scoreBand(window) !== 'pending');
  return newest === undefined ? 'no windows yet' : `newest window: ${bandNames[scoreBand(newest)]}`;
}
