import type { AlertView } from '@pulsemesh/node/api';
import { useState } from 'react';
import { useSecond, useTools } from '../state/hooks.ts';
import { AlertItem } from './alert-item.tsx';

const nameStorage = 'pulsemesh.myName';

export interface AlertListProps {
  /** In the order to show. */
  readonly alerts: readonly AlertView[];
  readonly targetId: string | null;
}

/** Alerts that can be acknowledged; remembers the name of whoever did so last on this device. */
export function AlertList({ alerts, targetId }: AlertListProps) {
  const { client, store, storage } = useTools();
  const nowMs = useSecond();
  const [savedName, setSavedName] = useState(() => storage.getItem(nameStorage) ?? '');
  const acknowledge = async (alertId: string, by: string) => {
    store.putAlerts([await client.acknowledge(alertId, by)]);
    storage.setItem(nameStorage, by);
    setSavedName(by);
  };
  return (
    <ul className="alert-list">
      {alerts.map((alert) => (
        <AlertItem
          // A new name changes what the form offers.
          key={`${alert.alertId} ${savedName}`}
          alert={alert}
          nowMs={nowMs}
          isTarget={alert.alertId === targetId}
          savedName={savedName}
          onAcknowledge={acknowledge}
        />
      ))}
    </ul>
  );
}
