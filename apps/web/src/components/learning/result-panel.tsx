import type { EvaluationView, TaskView } from '@pulsemesh/learning/view';
import { bytesWords } from '../../board/entry-words.ts';
import { formatCount, formatPlural } from '../../format.ts';
import { comparisonWords } from '../../learning/task-words.ts';
import { routeHref } from '../../state/route.ts';
import { PeerName } from '../board/peer-name.tsx';
import { Moment } from '../small.tsx';

/** The model that came out, and how each site found it beside the one it runs. */
export function ResultPanel({ view, nowMs }: { readonly view: TaskView; readonly nowMs: number }) {
  const { model, evaluations } = view;
  if (model === null) return <p className="quiet">No model was published yet.</p>;
  return (
    <>
      <dl className="facts">
        <div>
          <dt>Model</dt>
          <dd>
            <a href={routeHref({ page: 'entry', id: model.id })}>
              <bdi className="id">{model.hash.slice(0, 16)}…</bdi>
            </a>
          </dd>
        </div>
        <div>
          <dt>From</dt>
          <dd>
            {formatPlural(model.rounds, 'round', 'rounds')}, {formatPlural(model.sites, 'site', 'sites')}
          </dd>
        </div>
        <div>
          <dt>Published</dt>
          <dd>
            <Moment ms={model.createdMs} nowMs={nowMs} />
          </dd>
        </div>
        <div>
          <dt>Weights</dt>
          <dd>
            {model.hasWeights
              ? `on the board, ${bytesWords(model.bytes)}`
              : `${bytesWords(model.bytes)}, not on the board`}
          </dd>
        </div>
        <div>
          <dt>Privacy spent</dt>
          <dd>{model.epsilon === null ? 'no noise' : `ε ${model.epsilon.toFixed(2)}`}</dd>
        </div>
      </dl>
      {evaluations.length === 0 ? (
        <p className="quiet">No site has said yet how it does on its own records.</p>
      ) : (
        <Evaluations evaluations={evaluations} />
      )}
      <p className="hint">
        AUC: how often the model ranks an irregular window above a regular one; 0.5 is chance, 1 is always. Each site
        tries it on its own records and decides for itself whether to put it into service: it does where the model is no
        worse than the running one. Which model a site runs is not on the board.
      </p>
    </>
  );
}

function Evaluations({ evaluations }: { readonly evaluations: readonly EvaluationView[] }) {
  return (
    <div className="table-frame">
      <table className="table table-stack table-wide evaluations">
        <caption className="visually-hidden">The model at each site</caption>
        <thead>
          <tr>
            <th scope="col">Site</th>
            <th scope="col">This model</th>
            <th scope="col">Running model</th>
            <th scope="col">Compared</th>
            <th scope="col">Patients</th>
          </tr>
        </thead>
        <tbody>
          {evaluations.map(({ id, site, auc, runningAuc, patients }) => (
            <tr key={id}>
              <th scope="row">
                <PeerName peer={site} />
              </th>
              <td data-label="This model" className="numeric-start">
                AUC {auc.toFixed(3)}
              </td>
              <td data-label="Running model" className="numeric-start">
                {runningAuc === null ? 'none' : `AUC ${runningAuc.toFixed(3)}`}
              </td>
              <td data-label="Compared">
                <a href={routeHref({ page: 'entry', id })}>{comparisonWords(auc, runningAuc)}</a>
              </td>
              <td data-label="Patients">{patients === 0 ? 'fewer than 10' : `${formatCount(patients)} or more`}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
