"""The manager where tools are pods: it finds one to talk to, wakes one that sleeps, lets idle ones sleep."""
