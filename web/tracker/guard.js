// The tracker is a guest in the page: whatever goes wrong in it stays in it.

/** `task`, but its errors go nowhere. */
export const guarded =
  (task) =>
  (...values) => {
    try {
      return task(...values);
    } catch {
      // The page goes on as if there were no tracker.
    }
  };

/** Listens before the page does, and never delays its scrolling. */
export const on = (target, types, task) => {
  for (const type of types.split(" ")) {
    target.addEventListener(type, guarded(task), { capture: true, passive: true });
  }
};
