type Inputs = ReadonlyArray<unknown>;
type Leave = void | undefined | (() => void);
export declare function useState<T>(initial: T | (() => T)): [T, (next: T | ((old: T) => T)) => void];
export declare function useRef<T>(initial: T): { current: T };
export declare function useMemo<T>(make: () => T, inputs?: Inputs): T;
export declare function useCallback<T>(callback: T, inputs?: Inputs): T;
export declare function useEffect(run: () => Leave, inputs?: Inputs): void;
export declare function useLayoutEffect(run: () => Leave, inputs?: Inputs): void;
