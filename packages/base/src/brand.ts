declare const brand: unique symbol;

/** A `T` that must not be mixed with other `T`s: made only by the parser of its kind. */
export type Brand<T, Name extends string> = T & { readonly [brand]: Name };
