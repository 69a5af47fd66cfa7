-- What a role needs besides grants.sql to run jobs (replay, backfill, recompute, republish, dlq redrive), or to tell them what to do:
--   psql "$DATABASE_URL" -f docs/grants_jobs.sql
grant insert, update on segmenter.jobs to segmenter_service;
grant insert, update on segmenter.job_parts to segmenter_service;
grant insert on segmenter.job_users to segmenter_service;
grant select, insert, update on segmenter.job_failures to segmenter_service;

-- `segmenter job history` lists the acts of operators.
grant select on segmenter.audit to segmenter_service;

-- Backfill reads the platform's profiles, and dates of birth where the platform has them.
grant select ("userId", "isCompleted", "updatedAt", "globalBudgetRange", "travelTypes", "travelPurposes", "travelGroupTypes",
              "travelWithChildren", "childrenAges", "accommodationTypes", "accommodationLevel", "activityTypes",
              "interestCategories", "activityLevel", "riskTolerance", "climatePreferences", "preferredAirlines",
              "preferredDestinations")
   on public.travel_onboarding_profiles to segmenter_service;
grant select ("dateOfBirth") on public.users to segmenter_service;
