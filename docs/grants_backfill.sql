-- What a role needs besides grants.sql and grants_jobs.sql for `segmenter backfill`, which reads the platform's profiles:
--   psql "$DATABASE_URL" -f docs/grants_backfill.sql
grant select ("userId", "isCompleted", "updatedAt", "globalBudgetRange", "travelTypes", "travelPurposes", "travelGroupTypes",
              "travelWithChildren", "childrenAges", "accommodationTypes", "accommodationLevel", "activityTypes",
              "interestCategories", "activityLevel", "riskTolerance", "climatePreferences", "preferredAirlines",
              "preferredDestinations")
   on public.travel_onboarding_profiles to segmenter_service;

-- Only where users has this column.
grant select ("dateOfBirth") on public.users to segmenter_service;
