const DEFAULT_NAMESPACE = 'default';

/** The one form of a name: `default/x` and `x` are the same credential, kept as `x`. */
export function canonicalName(name: string): string {
  const inDefault = name.startsWith(`${DEFAULT_NAMESPACE}/`) && name.indexOf('/') === name.lastIndexOf('/');
  return inDefault ? name.slice(DEFAULT_NAMESPACE.length + 1) : name;
}

/** `billing/eu/stripe` is in `billing/eu`; a name without a slash is in `default`. */
export function namespaceOf(name: string): string {
  const slash = name.lastIndexOf('/');
  return slash === -1 ? DEFAULT_NAMESPACE : name.slice(0, slash);
}
