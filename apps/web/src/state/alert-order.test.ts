import { describe, expect, it } from 'vitest';
import { alertOf } from '../testing.ts';
import { leadingAlert, orderAlerts } from './alert-order.ts';

describe('the order of alerts', () => {
  const seen = { by: 'x', atMs: 0 };
  const alerts = [
    alertOf({ alertId: '1', raisedForMs: 30, acknowledged: seen, resolvedMs: 40 }),
    alertOf({ alertId: '2', raisedForMs: 10 }),
    alertOf({ alertId: '3', raisedForMs: 20 }),
    alertOf({ alertId: '4', raisedForMs: 50, acknowledged: seen, subject: 'other' }),
  ];

  it('puts those that need somebody first, then the newest', () => {
    expect(orderAlerts(alerts).map(({ alertId }) => alertId)).toEqual(['3', '2', '4', '1']);
  });

  it('lets a card speak of the one that matters', () => {
    expect(leadingAlert(alerts, 'a'.repeat(32))?.alertId).toBe('3');
    expect(leadingAlert(alerts, 'other')?.alertId).toBe('4');
    expect(leadingAlert(alerts.slice(0, 1), 'a'.repeat(32))).toBeNull();
  });
});
