import type { AlertView } from '@pulsemesh/node/api';
import { formatDuration, formatPlural } from '../format.ts';
import { needsAttention } from '../state/alert-order.ts';
import { routeHref } from '../state/route.ts';
import { Acknowledge } from './acknowledge.tsx';
import { Moment } from './small.tsx';

export interface AlertItemProps {
  readonly alert: AlertView;
  readonly nowMs: number;
  /** The one the address names: marked and scrolled to. */
  readonly isTarget: boolean;
  readonly savedName: string;
  readonly onAcknowledge: (alertId: string, by: string) => Promise<void>;
}

/** One alert: whose, since when, who has been told, who has seen it. */
export function AlertItem({ alert, nowMs, isTarget, savedName, onAcknowledge }: AlertItemProps) {
  const who = alert.patientName ?? 'unregistered device';
  const isOpen = needsAttention(alert);
  return (
    <li
      className={`alert-item ${isOpen ? 'is-open' : 'is-seen'} ${isTarget ? 'is-target' : ''}`}
      id={`alert-${alert.alertId}`}
      tabIndex={-1}
    >
      <div className="alert-head">
        <h3>
          <a href={routeHref({ page: 'patient', subject: alert.subject })}>
            <bdi>{who}</bdi>
          </a>
        </h3>
        <span className={`badge ${isOpen ? 'badge-alert' : 'badge-quiet'}`}>
          {isOpen ? 'Needs attention' : 'Acknowledged'}
        </span>
      </div>
      <p className="alert-what">Irregular rhythm {alert.resolvedMs === null ? 'that goes on' : 'that has ended'}</p>
      <dl className="facts">
        <div>
          <dt>Began</dt>
          <dd>
            <Moment ms={alert.episodeStartMs} nowMs={nowMs} />
          </dd>
        </div>
        <div>
          <dt>Alert raised</dt>
          <dd>
            <Moment ms={alert.raisedForMs} nowMs={nowMs} />
          </dd>
        </div>
        {alert.resolvedMs === null ? null : (
          <div>
            <dt>Ended</dt>
            <dd>
              <Moment ms={alert.resolvedMs} nowMs={nowMs} />, after{' '}
              {formatDuration(alert.resolvedMs - alert.episodeStartMs)}
            </dd>
          </div>
        )}
        <div>
          <dt>Told by mail</dt>
          <dd>{alert.notifiedCount === 0 ? 'nobody yet' : formatPlural(alert.notifiedCount, 'mail', 'mails')}</dd>
        </div>
        {alert.acknowledged === null ? null : (
          <div>
            <dt>Acknowledged</dt>
            <dd>
              by <bdi>{alert.acknowledged.by}</bdi>, <Moment ms={alert.acknowledged.atMs} nowMs={nowMs} />
            </dd>
          </div>
        )}
      </dl>
      {isOpen ? (
        <Acknowledge
          savedName={savedName}
          about={`the alert of ${who}`}
          onAcknowledge={(by) => onAcknowledge(alert.alertId, by)}
        />
      ) : null}
    </li>
  );
}
