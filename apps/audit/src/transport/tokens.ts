/** {@link AuditOperations} */
export const AUDIT_OPERATIONS = Symbol('keymesh.audit.operations');
