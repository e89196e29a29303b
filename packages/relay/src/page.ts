/** Client and link in one: the entry of the module that a page loads without a bundler. */
export * from './agent.ts';
export * from './client/index.ts';
