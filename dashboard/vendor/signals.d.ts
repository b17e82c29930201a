import type { Signal } from "./signals-core.js";
export declare function signal<T>(value: T): Signal<T>;
export declare function computed<T>(compute: () => T): Signal<T>;
export declare function effect(run: () => void): () => void;
export declare function batch(run: () => void): void;
