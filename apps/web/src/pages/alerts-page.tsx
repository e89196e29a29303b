import { useEffect } from 'react';
import { AlertList } from '../components/alert-list.tsx';
import { Disclaimer, Loading, Notice, PageTitle } from '../components/small.tsx';
import { needsAttention, orderAlerts } from '../state/alert-order.ts';
import { usePageState } from '../state/hooks.ts';
import { routeHref } from '../state/route.ts';

/** Acknowledged alerts drawn; older ones are on their patients' pages. */
export const seenShownMax = 50;

/** All alerts: those that need somebody, then those somebody has seen. */
export function AlertsPage({ targetId }: { readonly targetId: string | null }) {
  const { alerts, overview } = usePageState();
  const isKnown = targetId === null || alerts?.has(targetId) === true;

  useEffect(() => {
    if (targetId === null || !isKnown) return;
    const item = document.getElementById(`alert-${targetId}`);
    item?.scrollIntoView({ block: 'center' });
    item?.focus({ preventScroll: true });
  }, [targetId, isKnown]);

  if (alerts === null) return <Loading what="alerts" />;
  const ordered = orderAlerts(alerts.values());
  const open = ordered.filter(needsAttention);
  const seen = ordered.filter((alert) => !needsAttention(alert)).slice(0, seenShownMax);
  const inbox = safeLink(overview?.inboxUrl ?? null);
  return (
    <>
      <PageTitle
        aside={
          inbox === null ? null : (
            <a className="button-quiet" href={inbox} target="_blank" rel="noreferrer">
              Open the mail inbox
            </a>
          )
        }
      >
        Alerts
      </PageTitle>
      <Disclaimer text={overview?.disclaimer} />
      {isKnown ? null : (
        <Notice title="The alert of this link is not known here.">
          <p>
            It may be older than this list. <a href={routeHref({ page: 'alerts', alertId: null })}>All alerts</a>
          </p>
        </Notice>
      )}
      <section aria-labelledby="open-title">
        <h2 id="open-title">Needs attention ({open.length})</h2>
        {open.length === 0 ? (
          <Notice title="All is calm: no alert needs attention." />
        ) : (
          <AlertList alerts={open} targetId={targetId} />
        )}
      </section>
      {seen.length === 0 ? null : (
        <section aria-labelledby="seen-title">
          <h2 id="seen-title">Acknowledged</h2>
          <AlertList alerts={seen} targetId={targetId} />
        </section>
      )}
    </>
  );
}

/** Only web addresses become links, whatever the server says. */
export function safeLink(url: string | null): string | null {
  return url !== null && /^https?:\/\//i.test(url) ? url : null;
}
