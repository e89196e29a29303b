export * from './alerts/index.ts';
export * from './model/index.ts';
export * from './recordings/index.ts';
