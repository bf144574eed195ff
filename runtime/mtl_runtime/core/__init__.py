"""What every other package needs: records, atomic files, locks, background work and facts about the machine."""
