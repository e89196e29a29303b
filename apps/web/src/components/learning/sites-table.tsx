import type { SiteView, TaskView } from '@pulsemesh/learning/view';
import { formatCount, formatPlural } from '../../format.ts';
import { routeHref } from '../../state/route.ts';
import { PeerName } from '../board/peer-name.tsx';
import { Moment, Notice } from '../small.tsx';

/** Who signed, with which limits of their own, and what of their budget is left. */
export function SitesTable({ view, nowMs }: { readonly view: TaskView; readonly nowMs: number }) {
  const { sites, task } = view;
  if (sites.length === 0) return <Notice title="No site has signed yet." />;
  return (
    <div className="table-frame">
      <table className="table table-stack table-wide sites">
        <caption className="visually-hidden">Sites and their contracts</caption>
        <thead>
          <tr>
            <th scope="col">Site</th>
            <th scope="col">Contract</th>
            <th scope="col">Records it uses</th>
            <th scope="col">Rounds</th>
            {task.privacy === null ? null : <th scope="col">Privacy budget</th>}
          </tr>
        </thead>
        <tbody>
          {sites.map((site) => (
            <tr key={site.site} className={site.state === 'left' ? 'row-gone' : ''}>
              <th scope="row">
                <PeerName peer={site.site} />
              </th>
              <td data-label="Contract">
                <a href={routeHref({ page: 'entry', id: site.contract })}>
                  {site.state === 'left' ? 'left; had signed' : 'signed'}
                </a>{' '}
                <Moment ms={site.signedMs} nowMs={nowMs} />
              </td>
              <td data-label="Records">{dataWords(site)}</td>
              <td data-label="Rounds">
                {formatCount(site.rounds)}
                {site.limits ? ` of at most ${formatCount(site.limits.roundsMax)}` : ''}
              </td>
              {task.privacy === null ? null : (
                <td data-label="Budget">
                  <Budget spent={site.epsilonSpent ?? 0} left={site.epsilonLeft ?? 0} />
                </td>
              )}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function dataWords({ data }: SiteView): string {
  if (!data) return 'not said';
  const patients = data.patients === 0 ? 'fewer than 10 patients' : `${formatCount(data.patients)} patients or more`;
  return `${formatPlural(data.records, 'record', 'records')} of ${patients}, all consented`;
}

function Budget({ spent, left }: { readonly spent: number; readonly left: number }) {
  return (
    <div className="budget">
      <meter min={0} max={Math.max(spent + left, 1e-9)} value={spent} aria-label="Privacy budget spent" />
      <span className="numeric">
        ε {spent.toFixed(2)} spent, {left.toFixed(2)} left
      </span>
    </div>
  );
}
