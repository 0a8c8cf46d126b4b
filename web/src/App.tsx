import { useCallback, useState } from "react";
import { SignIn } from "./pages/SignIn";
import { Shell } from "./Shell";
import { type Credentials, loadCredentials, saveCredentials } from "./state/credentials";

/** The console: the door, and what is behind it. */
export function App() {
  const [credentials, setCredentials] = useState(loadCredentials);
  const [notice, setNotice] = useState("");
  const become = useCallback((next: Credentials | null, why: string) => {
    saveCredentials(next);
    setCredentials(next);
    setNotice(why);
  }, []);
  const refused = useCallback(() => become(null, "The token is not valid any more. Sign in again."), [become]);
  const signOut = useCallback(() => become(null, "You are signed out."), [become]);

  if (!credentials) return <SignIn notice={notice} onSignIn={(given) => become(given, "")} />;
  return <Shell credentials={credentials} onRefused={refused} onSignOut={signOut} />;
}
