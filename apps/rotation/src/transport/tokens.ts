/** `makeRotateCredential`'s operation. */
export const ROTATE_CREDENTIAL = Symbol('rotation.rotate-credential');
/** `makeListRotations`' operation. */
export const LIST_ROTATIONS = Symbol('rotation.list-rotations');
/** The outbox relay. */
export const RELAY = Symbol('rotation.relay');
/** The runner of workflows. */
export const RUNNER = Symbol('rotation.runner');
/** How the service decides. */
export const ASK_POLICY = Symbol('keymesh.rotation.ask-policy');
